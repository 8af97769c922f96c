"""``python -m analysis STAGE`` runs a stage of the pipeline; every other command is in `analysis.cli`."""

import os
import signal
import sys

from analysis.core import numerics
from analysis.core.errors import DataError


class Interrupted(BaseException):
    """Raised when a signal asks this process to end; the argument is the signal number."""


def main() -> None:
    """Run the command line; bad input ends with one line on standard error and status 1.

    Ctrl-C, SIGTERM and SIGHUP also end with one line, and with the status that shells give them (130, 143, 129).
    """
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

        if (known := system_error(error)) is None:
            raise
        close_stdout()
        end(known)
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
