"""The store and the workers: locks, damaged work and inputs, killed workers, interruptions, a reader's own network."""

import errno
import fcntl
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from analysis.core import parallel
from analysis.run import LOCKS_WITHOUT_DVC
from tests.faults.case import Case, cut, params, together, write
from tests.faults.pairs import STAGES

RECORDING = "data/recordings/corrected/*.nc"
WORKERS = {"NNN_WORKERS": "2"}
ODD = """
import torch
from torch import nn
class Odd(nn.Module):
    def __init__(self, fault):
        super().__init__()
        self.fault, self.layer = fault, nn.Conv2d(3, 4, 3)
    def forward(self, x):
        if self.fault == "shape":
            return self.layer(x).view(7)
        if self.fault == "nan":
            self.layer.bias.fill_(float("nan"))
        return self.layer(x)
"""


def no_locks() -> None:
    """Let file systems answer as those without locks do."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl.flock = flock


def running(stage: str) -> Callable[[], None]:
    """Return a function that holds the lock of a stage in this folder until the process ends."""

    def hold() -> None:
        path = LOCKS_WITHOUT_DVC / stage  # a copy that runs in this process has no .dvc
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("process 7 on elsewhere since 2026-01-31 12:00:00", encoding="utf-8")
        fcntl.flock(os.open(path, os.O_RDWR), fcntl.LOCK_EX)

    return hold


def killed(_number: int) -> None:
    """Do as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def out_of_memory() -> None:
    """Let worker processes be killed in their first task."""
    parallel._call_forked = killed


def interrupted(number: signal.Signals) -> Callable[[], None]:
    """Return a function that sends this process a signal soon."""

    def send() -> None:
        signal.signal(number, signal.SIG_DFL)  # a shell's background jobs ignore some
        threading.Timer(2, os.kill, (os.getpid(), number)).start()

    return send


def own(fault: str) -> Callable[[Path], None]:
    """Return the fault of a reader's network that fails."""
    entry = {"kind": "own", "protocol": "corrected", "size": 32, "C": 0.1, "module": "odd:Odd", "weights": None}
    entry |= {"arguments": {"fault": fault}, "layers": ["layer"], "mean": [0.5] * 3, "std": [0.2] * 3}
    entry |= {"activations": {"pool": 2, "features": 1000, "patches": 0}}
    return together(write("odd.py", ODD), params(models__odd=entry))


def here() -> None:
    """Import modules from this folder, as ``python -m`` does."""
    sys.path.insert(0, str(Path.cwd()))


CASES = [
    *(
        Case(
            f"no-locks-{stage.replace(' ', '-')}",
            stage,
            r"^error: \S+: its file system has no file locks \(No locks available\); run from a folder on a local",
            within=no_locks,
            intact=(output,),
            lines=1,
        )
        for stage, output in STAGES.items()
    ),
    *(
        Case(
            f"runs-already-{stage.replace(' ', '-')}",
            stage,
            rf"^error: stage {stage} is already running \(process 7 on elsewhere since 2026-01-31 12:00:00\): wait for",
            within=running(stage.replace(" ", "-")),
            intact=(output,),
            lines=1,
        )
        for stage, output in {
            "train pixels": "models/pixels",
            "candidates": "results/candidates",
            "recordings corrected": "data/recordings/corrected",
        }.items()
    ),
    Case(
        "cut-recording-for-workers",
        "$ python -m analysis candidates",
        r"^error: data/recordings/corrected/\S+\.nc is truncated: \d+ of \d+ bytes",
        cut(RECORDING),
        env=WORKERS,
        lines=1,
    ),
    Case(
        "killed-worker",
        "compare pixels",
        "^error: compare pixels: a worker process was killed, most likely out of memory: reduce NNN_WORKERS$",
        within=out_of_memory,
        env=WORKERS,
        intact=("results/compare/pixels",),
        lines=1,
    ),
    *(
        Case(
            f"interrupt-{number.name}",
            "candidates",
            rf"(?m)^interrupted \({number.name}\): run it again to resume$",
            within=interrupted(number),
            status=128 + number,
            env=WORKERS,
            intact=("results/candidates",),
        )
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ),
    *(
        Case(f"own-{fault}", "train odd", f"^error: model odd: {said}", own(fault), within=here, lines=1)
        for fault, said in {
            "shape": r"module odd:Odd fails on images of 32x32 pixels \(odd\.py, line 10, in forward: RuntimeError: ",
            "nan": r"layer layer gives NaN or infinity for 1 of 1 images: check the weights, mean and std$",
        }.items()
    ),
    *(
        Case(f"optimised-{stage.replace(' ', '-')}", f"$ python -OO -m analysis {stage}", "", status=0, lines=99)
        for stage in ("figures", "report")
    ),
]
