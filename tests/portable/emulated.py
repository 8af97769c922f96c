"""Run the stages of a built project one by one under an emulated processor, and compare every output.

Each stage begins from the outputs that the stages before it have in the finished build, so that one that differs does
not hide what comes after it. What starts other processes cannot be judged there, since those would run on the real
processor; with one worker no stage does.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

EMULATOR = "qemu-x86_64"
PROCESSORS = ("Haswell", "EPYC-Rome")
"""Intel's first with AVX2, and an AMD without AVX-512, as QEMU names them."""
GATHER_WORKS = (8, 0)
"""QEMU before this version misreads AVX2's gather instructions: what shifts images differs under it, or crashes."""
GATHERS = ("shifted images",)
"""Kernels that gather."""
FORCED = {"NNN_WORKERS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONFAULTHANDLER": "1"}


@dataclass(frozen=True)
class Emulator:
    """QEMU's user-mode emulator of x86-64: ``path`` and ``version`` (major, minor)."""

    path: str
    version: tuple[int, int]

    def command(self, processor: str) -> list[str]:
        """Return what runs this Python on a processor."""
        return [self.path, "-cpu", processor, sys.executable]

    def misjudges(self) -> list[str]:
        """Return the kernels that this version computes wrongly."""
        return [] if self.version >= GATHER_WORKS else list(GATHERS)


def find(path: str | None) -> Emulator | None:
    """Return the emulator at `path`, or the one on the search path; None if there is none."""
    found = shutil.which(path or EMULATOR)
    if found is None:
        return None
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = re.search(r"version (\d+)\.(\d+)", told).groups()
    return Emulator(found, (int(major), int(minor)))


@dataclass(frozen=True)
class Outcome:
    """What became of a stage: its seconds, outputs of the same bytes, those of others, and why it failed, if it did."""

    stage: str
    seconds: float
    same: int
    changed: list[str]
    failure: str = ""


def stages(project: Path) -> dict[str, dict]:
    """Return the stages of a finished project in the order in which they ran, each with its command and outputs."""
    lock = yaml.safe_load((project / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    made_by = {out["path"]: name for name, entry in lock.items() for out in entry["outs"]}
    ordered: dict[str, dict] = {}

    def visit(name: str) -> None:
        if name in ordered:
            return
        for path in (dependency["path"] for dependency in lock[name].get("deps", [])):
            for out, maker in made_by.items():
                if maker != name and (Path(path).is_relative_to(out) or Path(out).is_relative_to(path)):
                    visit(maker)
        ordered[name] = {"cmd": lock[name]["cmd"], "outs": [out["path"] for out in lock[name]["outs"]]}

    for name in lock:
        visit(name)
    return ordered


def run(project: Path, work: Path, command: list[str], only: list[str] | None = None) -> Iterator[Outcome]:
    """Run the stages of `project` in the copy `work` with `command` in place of Python; yield an outcome for each.

    Parameters
    ----------
    project : path
        A finished build of the tiny experiment.
    work : path
        Folder to make.
    command : list of str
        What runs Python, such as `Emulator.command`.
    only : list of str, optional
        Stages to run, with or without what follows their ``@``.
    """
    shutil.copytree(project, work, ignore=shutil.ignore_patterns("site", "store", ".dvc"))
    for name, stage in stages(project).items():
        if only is None or name in only or name.partition("@")[0] in only:
            yield _run_stage(project, work, name, stage, command)


def _run_stage(project: Path, work: Path, name: str, stage: dict, command: list[str]) -> Outcome:
    for out in stage["outs"]:
        _remove(work / out)
        (work / out).parent.mkdir(parents=True, exist_ok=True)
    store = work / "store"
    shutil.rmtree(store, ignore_errors=True)
    start = time.monotonic()
    ran = subprocess.run(
        [*command, *stage["cmd"].split()[1:]],
        cwd=work,
        env=os.environ | FORCED | {"NNN_STORE": str(store)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - start
    failure = f"status {ran.returncode}: {ran.stderr.strip()[-300:]}" if ran.returncode else ""
    same, changed = 0, []
    for out in stage["outs"]:
        for path in sorted(_files(project, out) | _files(work, out)):
            pair = project / path, work / path
            if all(one.is_file() for one in pair) and pair[0].read_bytes() == pair[1].read_bytes():
                same += 1
            else:
                changed.append(path)
        _remove(work / out)
        if (project / out).is_dir():
            shutil.copytree(project / out, work / out)
        else:
            shutil.copy(project / out, work / out)
    return Outcome(name, seconds, same, changed, failure)


def _files(folder: Path, out: str) -> set[str]:
    found = [folder / out] if (folder / out).is_file() else (folder / out).rglob("*")
    return {str(path.relative_to(folder)) for path in found if path.is_file()}


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
