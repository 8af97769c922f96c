"""How long each stage takes, told by the pipeline's own words as they come.

    nox -s reproduce 2>&1 | python -m benchmarks.stages         # in a fresh clone, or dvc repro --force 2>&1 | ...

The words are passed on; at the end ``benchmarks/stages.json`` holds the minutes of each stage, a matrix summed, which
the table of figures in docs/results.md quotes.
"""

import os
import re
import sys
import time
from collections.abc import Iterable

from benchmarks.sizes import keep

STARTS = re.compile(r"Running stage '(\w+)(?:@[^']*)?'")
LEAVE = "Use `dvc push`"


def minutes(lines: Iterable[str], clock=time.monotonic) -> dict[str, float]:
    """Return the minutes from the start of each stage to that of the next, summed over a matrix.

    The last stage ends where DVC takes leave, or with the lines.
    """
    spent: dict[str, float] = {}
    name, since = None, 0.0
    for line in lines:
        start, ends = STARTS.search(line), line.startswith(LEAVE)
        if name and (start or ends):
            spent[name] = spent.get(name, 0) + (clock() - since) / 60
        if start or ends:
            name, since = start and start[1], clock()
    if name:
        spent[name] = spent.get(name, 0) + (clock() - since) / 60
    return spent


def main() -> None:
    """Pass the words on and write the minutes."""

    def passed() -> Iterable[str]:
        for line in sys.stdin:
            print(line, end="", flush=True)
            yield line

    found = {name: round(spent, 2) for name, spent in minutes(passed()).items()}
    if not found:
        sys.exit("no stage ran: give dvc repro --force")
    keep("stages", {"cores": len(os.sched_getaffinity(0)), "minutes": found})


if __name__ == "__main__":
    main()
