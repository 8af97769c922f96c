"""``python -m analysis STAGE`` runs a stage of the pipeline; every other command is in `analysis.cli`."""

import os
import sys

from analysis.core import numerics
from analysis.core.errors import DataError


def main() -> None:
    """Run the command line; bad input ends in one line on standard error and status 1."""
    try:
        try:
            numerics.fix()  # before anything that computes is loaded
            numerics.note()
            run()
        finally:
            sys.stdout.flush()  # here, where its failure can be told
    except BrokenPipeError:  # whoever read the output has seen enough
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


def run() -> None:
    """Run the stage or command that the arguments name."""
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
    """Send what standard output still holds nowhere: the interpreter would fail on it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def end(error: DataError) -> None:
    """End the program with one line."""
    print(f"error: {error}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
