"""Break a finished tiny experiment in every way of the table, and check that each ends in one line and harms nothing.

Run by ``nox -s faults``. ``-- PATTERN ...`` runs the cases whose names hold a pattern (a regular expression),
all that a stage reads is then cut in half, one file of each kind at a time (`tests.faults.cut`).
``-- --experiment FOLDER`` takes an experiment that is built (`tests.fixture.twice`) instead of building one.
"""

import argparse
import importlib
import re
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

from analysis.core import numerics
from analysis.run import STAGES
from tests.faults.cases import collect
from tests.faults.cut import sweep
from tests.faults.sandbox import complaints
from tests.fixture import twice

AT_ONCE = 2


def preload() -> None:
    """Load what commands load, once for all forks of this process."""
    for module in ["torch", "xarray", "pynwb", "analysis.cli", *(stage.module for stage in STAGES.values())]:
        importlib.import_module(module)


def judge(name: str, experiment: Path) -> list[str]:
    """Return the complaints about a case, and about a case that could not be run."""
    try:
        return complaints(collect()[name], experiment)
    except Exception as error:
        return [f"the case itself is broken: {type(error).__name__}: {error}"]


def main() -> None:
    """Run the cases that are asked for; exit with those that failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("patterns", nargs="*")
    parser.add_argument("--experiment", type=Path)
    arguments = parser.parse_args()
    start = time.monotonic()
    names = [name for name in collect() if any(re.search(p, name) for p in arguments.patterns or [""])]
    with ExitStack() as stack:
        experiment = arguments.experiment
        if experiment is None:
            experiment = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            twice.build([experiment])
            print(f"faults: experiment built in {time.monotonic() - start:.0f} s", flush=True)
        pool = stack.enter_context(ProcessPoolExecutor(AT_ONCE, get_context("fork"), preload))
        failed = 0
        for name, wrong in zip(names, pool.map(judge, names, [experiment.resolve()] * len(names)), strict=True):
            if wrong:
                print(f"FAILED {name}", *wrong, sep="\n  ", flush=True)
            failed += bool(wrong)
        cut = [] if arguments.patterns else sweep(experiment.resolve(), every=False, pattern=r"\| half$")
    print(f"faults: {len(names) - failed} of {len(names)} cases hold, {time.monotonic() - start:.0f} s")
    print(*cut, sep="\n")
    sys.exit(bool(failed or cut))


if __name__ == "__main__":
    numerics.restart()
    main()
