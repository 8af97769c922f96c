"""How much the benchmarks do, and where their figures lie.

With ``NNN_BENCHMARK=small`` each takes seconds: a few images, draws or candidates, and none of the peers that would
have to be installed first. That shows that they run, not how fast; the figures then lie in a folder of their own.
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
    """Return the one of two values that this run is to take."""
    return small if SMALL else full


HERE = Path(__file__).parent
FIGURES = size(HERE, HERE / "small")


def keep(name: str, found: dict | list) -> None:
    """Write the figures of a benchmark; not-a-number is refused, since JSON has none."""
    write_text(FIGURES / f"{name}.json", json.dumps(found, indent=1, allow_nan=False) + "\n")


def keep_piece(name: str, piece: str, found: dict) -> None:
    """Print the figures of one piece of a benchmark and write them beside those of its others."""
    print(json.dumps(found, indent=1), flush=True)
    path = FIGURES / f"{name}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    keep(name, known | {piece: found})
