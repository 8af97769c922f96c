"""``python -m analysis STAGE`` runs a stage of the pipeline; every other command is in `analysis.cli`."""

import sys

from analysis.core import numerics
from analysis.core.errors import DataError


def main() -> None:
    """Run the command line; bad input ends in one line on standard error and status 1."""
    try:
        numerics.fix()  # before anything that computes is loaded
        numerics.note()
        from analysis.run import STAGES, run_stage

        name, *items = sys.argv[1:] or [""]
        if name in STAGES and STAGES[name].takes(items):
            run_stage(name, *items)
        else:
            from analysis.cli import app

            app()
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
