"""``python -m paper.truth``: keep the tables of the benchmarks whose truth is known, for the supplement."""

import sys

from analysis.core.errors import DataError
from paper.truth.tables import keep


def main() -> None:
    """Copy them to ``paper/truth``; bad input ends in one line and status 1."""
    try:
        for path in keep():
            print(f"wrote {path}")
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
