"""``python -m analysis STAGE`` runs a stage of the pipeline; every other command is in `analysis.cli`."""

import sys

from analysis.core import numerics
from analysis.core.errors import DataError


def main() -> None:
    """Run the command line; bad input ends in one line on standard error and status 1."""
    try:
        numerics.fix()  # before anything that computes is loaded
        numerics.note()
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
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
