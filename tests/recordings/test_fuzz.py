"""Mutated recordings end in one clear line or in a correct table: no crash, no hang, nothing silently wrong.

A share runs by default; ``NNN_FUZZ=2000`` (``nox -s fuzz``) runs so many.
"""

import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

FUZZ = Path(__file__).with_name("fuzz.py")
CASES = int(os.environ.get("NNN_FUZZ", "80"))
LIMIT_S = float(os.environ.get("NNN_FUZZ_LIMIT", "10"))


def run(first: int, last: int) -> list[str]:
    """Run cases in a process of their own; a case that kills it or takes too long is a line that says so."""
    process = subprocess.Popen(
        [sys.executable, str(FUZZ), str(first), str(last)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    lines: queue.Queue = queue.Queue()
    threading.Thread(target=lambda: [*map(lines.put, process.stdout), lines.put(None)], daemon=True).start()
    done = []
    try:
        while first + len(done) < last:
            line = lines.get(timeout=LIMIT_S + (120 if not done else 0))
            if line is None:
                return [*done, f"{first + len(done)} FAIL killed the interpreter (exit {process.wait()})"]
            done.append(line)
    except queue.Empty:
        return [*done, f"{first + len(done)} FAIL took more than {LIMIT_S} s"]
    finally:
        process.kill()
        process.wait()
    return done


def test_mutated_recordings():
    results, seed = [], 0
    while seed < CASES:
        results += run(seed, CASES)
        seed = len(results)
    kinds = Counter(line.split(maxsplit=2)[1] for line in results)
    print(dict(kinds))
    assert [line for line in results if " FAIL " in line] == []
    assert kinds["error"] > CASES / 10
    assert kinds["table"] > CASES / 10
