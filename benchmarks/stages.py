"""Time each stage from the lines that the pipeline prints.

    nox -s reproduce 2>&1 | python -m benchmarks.stages         # in a fresh clone, or dvc repro --force 2>&1 | ...

The lines are passed on; at the end ``benchmarks/stages.json`` holds the minutes of each stage, summed over a matrix.
The table of figures in docs/results.md quotes them.
"""

import os
import re
import sys
import time
from collections.abc import Iterable

from benchmarks.sizes import keep

STARTS = re.compile(r"Running stage '(\w+)(?:@[^']*)?'")
CLOSING = "Use `dvc push`"


def minutes(lines: Iterable[str], clock=time.monotonic) -> dict[str, float]:
    """Return the minutes from the start of each stage to that of the next, summed over a matrix.

    The last stage ends with DVC's closing line, or with the last line.
    """
    spent: dict[str, float] = {}
    name, since = None, 0.0
    for line in lines:
        start, ends = STARTS.search(line), line.startswith(CLOSING)
        if name and (start or ends):
            spent[name] = spent.get(name, 0) + (clock() - since) / 60
        if start or ends:
            name, since = start and start[1], clock()
    if name:
        spent[name] = spent.get(name, 0) + (clock() - since) / 60
    return spent


def main() -> None:
    """Pass the lines on and write the minutes."""

    def passed() -> Iterable[str]:
        for line in sys.stdin:
            print(line, end="", flush=True)
            yield line

    rounded = {name: round(spent, 2) for name, spent in minutes(passed()).items()}
    if not rounded:
        sys.exit("no stage ran: use dvc repro --force")
    keep("stages", {"cores": len(os.sched_getaffinity(0)), "minutes": rounded})


if __name__ == "__main__":
    main()
