"""``python -m analysis STAGE`` runs a stage of the pipeline."""

import sys

from analysis.core import numerics
from analysis.errors import DataError


def start() -> None:
    """Fix the numerics, and only then load what computes."""
    try:
        numerics.fix()
        numerics.note()
    except DataError as error:
        sys.exit(f"error: {error}")
    from analysis.cli import main

    main()


if __name__ == "__main__":
    start()
