"""Fill a disk under each stage in turn, on tmpfs and on ext4: one line, nothing lost, and the next run goes on.

``python -m tests.faults.full EXPERIMENT [STAGES]`` (as root, to mount) copies a finished tiny experiment to a small
disk, leaves less room than the stage writes, and runs it. It must end in one line that names the file and says that
there is no room; all but its own output, which DVC removes first, must stay; with room again, the stage must give
the bytes of an undisturbed run. `STAGES` is a regular expression at the start of their names.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.core import numerics
from analysis.tools import check
from tests.faults.cut import Outcome, preload, prepare, run, stats
from tests.faults.steps import Step, steps

SIZE = "160M"
BLOCK = 4096
SHARES = (0.0, 0.5)
"""Room that is left, as a share of what the stage writes."""
FULL = re.compile(
    r"error: (?:recorded/mine: )?"
    r"(cannot write (?!standard)\S.*: No space left on device \(\S+ MB available: free some space, then"
    r"|this folder has 0\.0 GB free and a run needs 0\.02 GB: free some space)"
)
ROOM = 2e7
"""Bytes that the stage check asks for here: as many as the tiny experiment fills."""
FILLER = "filler"
OF_STAGES = ("data/", "models/", "results/", "paper/", "recorded/")
"""Begin the outputs of stages; those of commands by hand lie elsewhere."""


@contextmanager
def disk(kind: str, root: Path) -> Iterator[Path]:
    """Mount a small disk of a kind of file system; unmount it at the end."""
    place, image = root / kind, root / "image"
    place.mkdir()
    if kind == "tmpfs":
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", place]
    else:
        subprocess.run(["truncate", "-s", SIZE, image], check=True)
        subprocess.run([f"mkfs.{kind}", "-q", "-F", "-m", "0", image], check=True)
        mount = ["mount", "-o", "loop", image, place]
    subprocess.run(mount, check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def fill(disk: Path, room: int) -> None:
    """Fill a disk but for `room` bytes."""
    path = disk / FILLER
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(file, bytes(BLOCK))
    except OSError:
        os.truncate(path, max(path.stat().st_size - room // BLOCK * BLOCK, 0))
    finally:
        os.close(file)


def try_out(step: Step, disk: Path, usual: Outcome, room: int) -> list[str]:
    """Run a step with little room, then with enough; return complaints."""
    folder = disk / "experiment"
    shutil.rmtree(folder / "store", ignore_errors=True)
    remove_outputs(step, folder)
    fill(disk, room)
    before = stats(folder, step)
    outcome = run(step, folder)
    after = stats(folder, step)
    lines = [line for line in outcome.stderr.splitlines() if line.strip() and not line.startswith("warning: ")]
    (disk / FILLER).unlink()
    complaints = [] if outcome.status == 1 else [f"exit status {outcome.status}"]
    if "Traceback" in outcome.stderr or not lines or not FULL.match(lines[-1]):
        complaints.append(f"says {outcome.stderr.strip()[-600:]!r}")
    complaints += [f"changed {name}" for name in before if before[name] != after.get(name)]
    complaints += [f"left {path.relative_to(folder)}" for path in folder.rglob("*.part")]
    again = run(step, folder)
    if again.status or again.outputs != usual.outputs:
        complaints.append(f"the next run: exit status {again.status}, other bytes: {again.stderr.strip()[-300:]!r}")
    print(
        "FAILED" if complaints else "holds",
        f"{step.name}, {room // 1024} kB left:",
        lines[-1:],
        *complaints,
        flush=True,
    )
    return complaints


def remove_outputs(step: Step, folder: Path) -> None:
    """Remove the output of a step, as DVC does before it runs it."""
    for out in step.outs:
        path = folder / out
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def main() -> None:
    """Run the stages that are asked for on each kind of disk; exit with 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", type=Path)
    parser.add_argument("stages", nargs="?", default="")
    parser.add_argument("--disks", nargs="+", default=["tmpfs", "ext4"])
    arguments = parser.parse_args()
    preload()
    check.ROOM = ROOM
    failed, places = 0, 0
    for kind in arguments.disks:
        with tempfile.TemporaryDirectory(prefix="full-") as root, disk(kind, Path(root)) as place:
            folder = place / "experiment"
            folder.mkdir()
            prepare(arguments.experiment.resolve(), folder)
            for step in steps(folder, every=False):
                stage = any(
                    out.startswith(("data/", "models/", "results/", "paper/", "recorded/")) for out in step.outs
                )
                if not stage or not re.match(arguments.stages, step.name):
                    continue
                usual = run(step, folder)
                if usual.status:
                    sys.exit(f"{step.name} fails undisturbed: {usual.stderr.strip()[-2000:]}")
                size = sum((folder / name).stat().st_size for name in usual.outputs)
                for share in SHARES:
                    places += 1
                    failed += bool(try_out(step, place, usual, int(share * size)))
    print(f"full: {failed} of {places} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    numerics.restart()
    main()
