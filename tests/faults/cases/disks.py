"""Disks that are full, read-only or gone: one line in every stage and command, and nothing half written."""

import errno
import os
import re
import resource
from collections.abc import Callable
from pathlib import Path

from tests.faults.case import Case, mode, together, write
from tests.faults.cases.outputs import DB, MAIN, RASTERS, TABLE, picture, responses
from tests.project import ROOT

TOO_LARGE = r"cannot write \S*{}.*: File too large \(the file size limit is exceeded"
FULL = r"cannot write \S*{}.*: No space left on device \(\S+ MB available: free some space"


def at_most(n: int) -> Callable[[], None]:
    """Return the limit of `n` bytes for any file, as quotas and full disks set it."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))


def no_room() -> None:
    """Let the system refuse to reserve room."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    os.posix_fallocate = refuse


def full_stdout() -> None:
    """Connect standard output with a device that is always full."""
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def too_large(command: str, where: str, n: int, *faults: Callable[[Path], object]) -> Case:
    """Return the case of a command whose files may have `n` bytes; it must fail at `where`."""
    name = "-".join(["too-large", *re.findall(r"\w+", command)[:6]])
    return Case(name, command, TOO_LARGE.format(where), together(*faults), within=at_most(n), lines=6)


def closed(name: str, command: str, where: str, *faults: Callable[[Path], object]) -> Case:
    """Return the case of a folder without the right to write."""
    return Case(name, command, rf"{where}.*: Permission denied \(", together(*faults), unprivileged=True, lines=6)


def code(folder: Path) -> None:
    """Lay the code into the folder, for what the paper says of it."""
    if not (folder / "analysis").exists():
        (folder / "analysis").symlink_to(ROOT / "analysis")


STORE = {"NNN_STORE": "{folder}/closed/store"}
CASES = [
    too_large("stimuli", "data/stimuli/images.npy", 20_000),
    too_large("recordings corrected", r"store/work/recordings\S*\.nc", 20_000),
    too_large("train hmo_report", "store/work/train", 2_000),
    too_large("activations pixels", r"store/work/activations\S*pixels\.npy", 20_000),
    too_large("activations hmo_report", r"store/work/activations", 20_000),
    too_large("neural corrected", "data/neural/corrected/", 500),
    too_large("compare pixels", "results/compare/pixels/", 500),
    too_large("explain", "results/explain/", 2_000),
    too_large("summary", "results/", 500),
    too_large("figures", "paper/(figures/|claims)", 2_000),
    too_large("report", "paper/report", 20_000, code),
    too_large(f"export-assembly {TABLE} x.nc", r"x\.nc", 20_000),
    too_large(f"inspect {TABLE} --plot --out x.pdf", r"x\.pdf", 4_000),
    too_large(f"recording {MAIN} {RASTERS} --annotations {DB} --out x.nc", r"x\.nc", 20_000),
    too_large("audit table t.csv --label label --block block --out out", "out/", 200, responses("t.csv")),
    too_large("explain --model hmo_report --image face.png", "explained/face_", 1_000, picture),
    Case("full-stimuli", "stimuli", FULL.format("images.npy"), within=no_room),
    Case("full-recordings", "recordings corrected", FULL.format("store/work/recordings"), within=no_room),
    Case("full-activations", "activations pixels", FULL.format("store/work/activations"), within=no_room),
    Case("full-compare", "compare pixels", FULL.format("results/compare/pixels/predictions.nc"), within=no_room),
    Case("full-stdout", f"inspect {TABLE}", "cannot write standard output: No space left", within=full_stdout),
    closed("closed-activations", "activations pixels", "cannot write data/a", mode("data/activations/pixels", 0o555)),
    closed("closed-neural", "neural corrected", "cannot write data/neural", mode("data/neural/corrected", 0o555)),
    closed("closed-compare", "compare pixels", "cannot write results/c", mode("results/compare/pixels", 0o555)),
    closed("closed-figures", "figures", "cannot write paper/figures/", mode("paper/figures", 0o555)),
    closed("closed-export", f"export-assembly {TABLE} models/x.nc", "cannot write models/x.nc", mode("models", 0o555)),
    *(
        Case(f"closed-store-{stage.split()[0]}", stage, r"closed\S*: Permission denied \(",
             together(write("closed/x", ""), mode("closed", 0o555)), unprivileged=True, env=STORE)
        for stage in ("recordings corrected", "train hmo_report", "activations pixels")
    ),
    Case("store-is-a-file", "activations pixels", r"x/store\S*: Not a directory \(a part of the path is a file",
         write("x", ""), env={"NNN_STORE": "{folder}/x/store"}),
]  # fmt: skip
