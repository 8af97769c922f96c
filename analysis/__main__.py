"""``python -m analysis STAGE`` runs a stage of the pipeline; every other command is in `analysis.cli`."""

import errno
import io
import os
import signal
import sys
from contextlib import suppress

from analysis.core import numerics
from analysis.core.errors import DataError

SCARCE = ("bad_alloc", "can't allocate memory", "out of memory", "failed to map segment", "can't start new thread")
"""Words of errors when memory, or the number of threads that a user may have, runs out."""


class Interrupted(BaseException):
    """Raised when a signal asks this process to end; the argument is the signal number."""


def main() -> None:
    """Run the command line; bad input ends with one line on standard error and status 1.

    Ctrl-C, SIGTERM and SIGHUP also end with one line, and with the status that shells give them (130, 143, 129).
    """
    prepare_streams()
    os.environ["MPLBACKEND"] = "agg"  # figures go to files, whatever a notebook around this process draws on
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _interrupt)
    try:
        try:
            numerics.fix()  # before numpy or torch is imported
            numerics.note()
            run()
        finally:
            sys.stdout.flush()  # here, where a failure can be reported
    except BrokenPipeError:  # the reader, such as head, has closed the pipe
        close_stdout()
        sys.exit(1)
    except DataError as error:
        end(error)
    except OSError as error:
        from analysis.core.files import system_error

        known = nothing_left(error) if error.errno in (errno.ENOMEM, errno.EAGAIN) else system_error(error)
        if known is None:
            raise
        close_stdout()
        end(known)
    except (MemoryError, RuntimeError, ImportError) as error:
        if not is_scarcity(error):
            raise
        end(nothing_left(error))
    except Interrupted as signalled:
        [number] = signalled.args
        what = signal.Signals(number).name
        print(f"interrupted ({what}): run it again to resume", file=sys.stderr)
        sys.exit(128 + number)


def run() -> None:
    """Run the stage or command given by the arguments."""
    from analysis.run import RECORDED, STAGES, run_stage

    dataset, (name, *items) = None, sys.argv[1:] or [""]
    if name == "--dataset" and len(items) > 1:
        dataset, name, *items = items
    key = name if dataset is None else RECORDED + name
    if key in STAGES and STAGES[key].takes(items) and not name.startswith(RECORDED):
        run_stage(name, *items, dataset=dataset)
    else:
        from analysis.cli import app

        app()


def prepare_streams() -> None:
    """Let output that finds no reader go nowhere, and be written in any encoding.

    Of a closed stream the next file that is opened would take the number, and what is printed would go into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, io.UnsupportedOperation):  # a stream of a test or notebook
            stream.reconfigure(errors="backslashreplace")


def is_scarcity(error: Exception) -> bool:
    """Return whether an error means that there is no more memory, here or on the GPU, or no further thread."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in SCARCE)


def nothing_left(error: Exception) -> DataError:
    """Return the line for a lack of memory, here or on the GPU, of processes or of threads."""
    cause = " ".join(str(error).split()).partition(". ")[0] or type(error).__name__
    return DataError(f"memory or processes ran out ({cause}): lower NNN_WORKERS, close programs, or see `ulimit -a`")


def close_stdout() -> None:
    """Send buffered output to the null device: flushing it at exit would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def end(error: DataError) -> None:
    """Print one error line and exit with status 1."""
    print(f"error: {error}", file=sys.stderr)
    sys.exit(1)


def _interrupt(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second signal ends it at once
    raise Interrupted(number)


if __name__ == "__main__":
    main()
