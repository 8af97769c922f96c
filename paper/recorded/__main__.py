"""``python -m paper.recorded NAME...``: commit what the pipeline computed of recorded data sets."""

import sys

from analysis.core import numerics
from analysis.core.errors import DataError
from paper.command import run


def main() -> None:
    """Copy the table of each named data set to ``paper/recorded``."""
    numerics.fix()
    from paper.recorded.keep import keep

    if not sys.argv[1:]:
        raise DataError("name the data sets whose tables are to be kept: python -m paper.recorded NAME...")
    for name in sys.argv[1:]:
        print(f"wrote {keep(name)}")


if __name__ == "__main__":
    run(main)
