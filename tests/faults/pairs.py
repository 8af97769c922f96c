"""Run stages in two or three clones at once that share a store, kill some, and compare every output byte for byte.

``python -m tests.faults.pairs`` builds a tiny experiment (`tests.fixture.twice`), or takes one (``--experiment``). Each
trial starts runs of one stage at random moments, kills one of them (``--kills`` of all) at another, and starts that
one again. All runs must end with the bytes of an undisturbed one, a killed run may leave no file with other bytes and
no process, and the store must hold no work. Two runs in one clone: one is refused, the other ends well. On a file
system without locks every run is refused in one line. ``--seed`` and the number of a trial make its moments.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from analysis.run import LOCKS_WITHOUT_DVC
from tests.faults.sandbox import COPIED, LOCKS
from tests.fixture import twice
from tests.project import ROOT

STAGES = {
    "candidates": "results/candidates",
    "train hmo": "models/hmo",
    "train hmo_report": "models/hmo_report",
    "recordings corrected": "data/recordings/corrected",
    "activations hmo_report": "data/activations/hmo_report",
    "seeds hmo_report": "results/seeds/hmo_report.csv",
    "explain": "results/explain",
}
"""Stages, and the output of each."""
LIVE = "dvclive"
"""Folder of what a run writes line by line, for those who watch."""
TIMEOUT_S = 600
LINGER_S = 3
"""How long the processes of a killed run may outlive it."""
NO_LOCKS = """
import errno, fcntl
def flock(*_):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = flock
"""
"""A module ``sitecustomize`` under which file systems have no locks."""


@dataclass(frozen=True)
class Reference:
    """An undisturbed run: hashes of its files by name, and its seconds."""

    files: dict[str, str]
    seconds: float


def clone(experiment: Path, folder: Path) -> Path:
    """Copy an experiment with the code of today; return the copy."""
    for name in [*COPIED, "analysis"]:
        source = ROOT / name if name == "analysis" else experiment / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "cache"))
        elif source.exists():
            shutil.copy(source, folder / name)
    for lock in experiment.glob(LOCKS):
        shutil.copy(lock, folder / lock.name)
    return folder


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of a file, or of each file below a folder but live logs and hidden files, by name."""
    found = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    files = [path for path in found if path.is_file() and not path.name.startswith(".")]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if LIVE not in path.parts
    }


def remove(output: Path) -> None:
    """Remove an output, if it is there."""
    output.unlink(missing_ok=True) if output.suffix else shutil.rmtree(output, ignore_errors=True)


def start(folder: Path, stage: str, store: Path, **env: str) -> subprocess.Popen:
    """Start a stage in a clone."""
    env = os.environ | {"NNN_STORE": str(store), "PYTHONDONTWRITEBYTECODE": "1", "NNN_WORKERS": "2"} | env
    command = [sys.executable, "-m", "analysis", *stage.split()]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=env, **pipes)


def end(process: subprocess.Popen) -> str:
    """Wait for a run; return its standard error."""
    try:
        return process.communicate(timeout=TIMEOUT_S)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[1] + f"\nkilled after {TIMEOUT_S} s"


def left(store: Path) -> list[str]:
    """Return the processes that use a store."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"NNN_STORE={store}\0".encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:  # it has ended, or is another user's
            continue
    return found


def measure(folder: Path, stage: str, store: Path) -> Reference:
    """Run a stage undisturbed."""
    output = folder / STAGES[stage]
    remove(output)
    begun, process = time.monotonic(), start(folder, stage, store)
    said = end(process)
    if process.returncode:
        sys.exit(f"{stage} fails undisturbed: {said}")
    return Reference(hashes(output), time.monotonic() - begun)


def wrong(output: Path, reference: Reference, complete: bool) -> list[str]:
    """Return the files that differ from the undisturbed ones; of an unfinished run, those that it has written."""
    found = hashes(output)
    names = found.keys() | reference.files.keys() if complete else found.keys()
    return [name for name in sorted(names) if found.get(name) != reference.files.get(name)]


def race(
    clones: list[Path], stage: str, store: Path, reference: Reference, draw: random.Random, kill: bool
) -> list[str]:
    """Run a stage in all clones at once; return complaints."""
    for folder in clones:
        remove(folder / STAGES[stage])
    runs, complaints = [], []
    for folder in clones:
        runs.append(start(folder, stage, store))
        time.sleep(draw.uniform(0, reference.seconds / 3))
    if kill:
        victim = draw.randrange(len(runs))
        time.sleep(draw.uniform(0, reference.seconds * len(runs) / 2))
        runs[victim].send_signal(signal.SIGKILL)
        end(runs[victim])
        if bad := wrong(clones[victim] / STAGES[stage], reference, complete=runs[victim].returncode == 0):
            complaints.append(f"the killed run left {bad}")
        runs[victim] = start(clones[victim], stage, store)
    for folder, process in zip(clones, runs, strict=True):
        said = end(process)
        if process.returncode or "Traceback" in said:
            complaints.append(f"exit status {process.returncode}: {said[-2000:]}")
        elif bad := wrong(folder / STAGES[stage], reference, complete=True):
            complaints.append(f"other bytes: {bad}")
    return complaints + leftovers(store)


def leftovers(store: Path) -> list[str]:
    """Return complaints about work and processes that runs which have ended left."""
    limit = time.monotonic() + LINGER_S
    while left(store) and time.monotonic() < limit:
        time.sleep(0.1)
    work = [path.name for path in (store / "work").glob("*") if not path.name.startswith("choice-")]
    return [f"left {name}" for name in [*work, *(f"process {number}" for number in left(store))]]


def same_clone(folder: Path, stage: str, store: Path, reference: Reference) -> list[str]:
    """Run a stage in a clone while it runs there already, with a store for each; return complaints.

    The first run is stopped as soon as it holds the stage's lock, so that the second always meets it.
    """
    remove(folder / STAGES[stage])
    lock = folder / LOCKS_WITHOUT_DVC / quote("-".join(stage.split()), safe="")
    lock.unlink(missing_ok=True)  # a run that was killed left its name there
    first = start(folder, stage, store.with_name(f"{store.name}-0"))
    while first.poll() is None and not (lock.is_file() and lock.read_text(encoding="utf-8")):
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)
    second = start(folder, stage, store.with_name(f"{store.name}-1"))
    refusal = end(second)
    first.send_signal(signal.SIGCONT)
    said = end(first)
    complaints = [] if first.returncode == 0 else [f"the first run: exit status {first.returncode}: {said[-2000:]}"]
    refused = second.returncode == 1 and "is already running (process" in refusal and len(refusal.splitlines()) == 1
    complaints += [] if refused else [f"the second run: exit status {second.returncode}: {refusal[-2000:]}"]
    return complaints + [f"other bytes: {bad}" for bad in wrong(folder / STAGES[stage], reference, complete=True)]


def without_locks(folder: Path, stage: str, store: Path, module: Path) -> list[str]:
    """Run a stage where file systems have no locks; return complaints."""
    module.mkdir(exist_ok=True)
    (module / "sitecustomize.py").write_text(NO_LOCKS)
    before = hashes(folder / STAGES[stage])
    process = start(folder, stage, store, PYTHONPATH=str(module))
    said = end(process)
    complaints = [] if process.returncode == 1 else [f"exit status {process.returncode}"]
    if "its file system has no file locks (No locks available)" not in said or len(said.splitlines()) != 1:
        complaints.append(f"says {said}")
    return complaints + (["an output has changed"] if hashes(folder / STAGES[stage]) != before else [])


def main() -> None:
    """Run the trials that are asked for; exit with 1 if one fails."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--experiment", type=Path)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="number of the first trial, to go on with others")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=list(STAGES))
    arguments = parser.parse_args()
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pairs-")))
        experiment = arguments.experiment
        if experiment is None:
            experiment = root / "built"
            experiment.mkdir()
            twice.build([experiment])
        clones = [clone(experiment, root / name) for name in "abc"]
        references = {stage: measure(clones[0], stage, root / "undisturbed") for stage in arguments.stages}
        failed = 0

        def report(name: str, complaints: list[str]) -> None:
            nonlocal failed
            failed += bool(complaints)
            print("FAILED" if complaints else "same bytes", name, *complaints, sep="  ", flush=True)

        for number in range(arguments.first, arguments.pairs):
            stage = arguments.stages[number % len(arguments.stages)]
            draw = random.Random(f"{arguments.seed} {number}")
            kill = number * arguments.kills // arguments.pairs != (number + 1) * arguments.kills // arguments.pairs
            taking_part = clones if number % 5 == 4 else clones[:2]
            name = f"{number}: {len(taking_part)} x {stage}{', one killed' if kill else ''}"
            report(name, race(taking_part, stage, root / f"store-{number}", references[stage], draw, kill))
        for stage in arguments.stages:
            report(f"{stage} twice in one clone", same_clone(clones[0], stage, root / "store", references[stage]))
            report(f"{stage} without locks", without_locks(clones[0], stage, root / "none", root / "module"))
    print(f"pairs: {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
