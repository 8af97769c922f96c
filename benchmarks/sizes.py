"""Sizes of the benchmarks, and where their results go.

With ``NNN_BENCHMARK=small`` each takes seconds: a few images, draws or candidates, and no peer that would have to be
installed first. This shows that they run, not how fast; the results then go to a separate folder.
"""

import json
import os
import sys
from pathlib import Path

from analysis.core.files import write_text

VARIABLE = "NNN_BENCHMARK"
CHOSEN = os.environ.get(VARIABLE, "")
if CHOSEN not in ("", "small"):
    sys.exit(f"{VARIABLE}={CHOSEN}: give small, or leave it out for the full sizes")
SMALL = CHOSEN == "small"


def size(full, small):
    """Return `small` if ``NNN_BENCHMARK=small``, else `full`."""
    return small if SMALL else full


HERE = Path(__file__).parent
FIGURES = size(HERE, HERE / "small")


def keep(name: str, found: dict | list) -> None:
    """Write the results of a benchmark as JSON; NaN is an error, since JSON has none."""
    write_text(FIGURES / f"{name}.json", json.dumps(found, indent=1, allow_nan=False) + "\n")


def keep_piece(name: str, piece: str, found: dict) -> None:
    """Print the results of one part of a benchmark, and add them to those of its other parts."""
    print(json.dumps(found, indent=1), flush=True)
    path = FIGURES / f"{name}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    keep(name, known | {piece: found})
