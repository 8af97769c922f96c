"""``python -m paper.recorded NAME...``: commit what the pipeline computed of recorded data sets."""

import sys

from analysis.core import numerics
from analysis.core.errors import DataError


def main() -> None:
    """Copy the table of each named data set to ``paper/recorded``; bad input ends in one line and status 1."""
    try:
        numerics.fix()
        from paper.recorded.keep import keep

        if not sys.argv[1:]:
            raise DataError("name the data sets whose tables are to be kept: python -m paper.recorded NAME...")
        for name in sys.argv[1:]:
            print(f"wrote {keep(name)}")
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
