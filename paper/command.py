"""Run a command of `paper` that is typed by hand."""

import sys
from collections.abc import Callable

from analysis.core.errors import DataError


def run(command: Callable[[], None]) -> None:
    """Run it; bad input ends in one line on standard error and status 1."""
    try:
        command()
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
