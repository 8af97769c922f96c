"""Run one case in a copy of a finished experiment, and say what it did that it must not."""

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import yaml

from analysis.run import STAGES
from tests.faults.case import Case
from tests.project import ROOT

TIMEOUT_S = 180
NOBODY = 65534
COPIED = ["data", "models", "results", "paper", "dvc.yaml", "dvc.lock", "params.yaml"]
OF_PROGRAMS = ["analysis", ".dvc"]
"""What the commands of this process do not need: they run the code of the project."""
LOCKS = "requirements*.lock"

KINDS = [
    (r"[0-9a-f]{32}", "MD5"),
    (r"(models|activations|results/compare)/[^/]+/", r"\1/MODEL/"),
    (r"(corrected|report|patches|truth)/[A-Z][a-z]\d{6}[^/]*\.nc", r"\1/RECORDING.nc"),
    (r"neural/(corrected|report)/[^/]*\.npy", r"neural/\1/POPULATION.npy"),
    (r"sub-\w+/sub-[\w-]+?(_image)?\.nwb", r"sub/SESSION\1.nwb"),
    (r"activations/MODEL/\w+\.npy", "activations/MODEL/LAYER.npy"),
    (r"Stimuli/\w+/MD5\.\w+", "Stimuli/CATEGORY/MD5"),
    (r"figures/\w+\.svg", "figures/FIGURE.svg"),
    (r"Stimuli\.z\d\d", "Stimuli.zNN"),
    (r"images/(face|house)/\d+\.png", "images/CATEGORY/IMAGE.png"),
]
"""Names within a kind of file: one file of each kind is spoilt unless all are."""


def complaints(case: Case, experiment: Path) -> list[str]:
    """Run a case; return what is wrong, one line each, and the standard error if anything is."""
    with tempfile.TemporaryDirectory(prefix="fault-") as root:
        folder = Path(root, "experiment")
        _copy(experiment, folder, case)
        case.fault(folder)
        if case.unprivileged and os.getuid() == 0:
            _give_away(Path(root))
        before = _hashes(folder, [*case.intact, *_inputs(case)])
        status, stderr = _run(case, folder)
        after = _hashes(folder, [*case.intact, *_inputs(case)])
        wrong = [f"changed {path}" for path in before if before[path] != after.get(path)]
        wrong += [f"left {path.relative_to(folder)}" for path in folder.rglob("*.part")]
    if status != case.status:
        wrong.append(f"exit status {status}, not {case.status}")
    if "Traceback" in stderr:
        wrong.append("a traceback")
    if len(stderr.splitlines()) > case.lines:
        wrong.append(f"{len(stderr.splitlines())} lines on standard error")
    if not re.search(case.says, stderr):
        wrong.append(f"does not say {case.says!r}")
    return [*wrong, *(f"  | {line}" for line in stderr.splitlines()[-12:])] if wrong else []


def _copy(experiment: Path, folder: Path, case: Case) -> None:
    """Copy an experiment, byte for byte unless the case says that links will do."""
    folder.mkdir()
    skipped = shutil.ignore_patterns("__pycache__", "cache")
    named = [*COPIED, *(OF_PROGRAMS if case.command.startswith("$ ") else [])]
    for path in [*(experiment / name for name in named), *experiment.glob(LOCKS)]:
        if path.is_dir():
            linked = case.linked and path.name not in OF_PROGRAMS
            copy = _link if linked else shutil.copy2
            shutil.copytree(path, folder / path.name, ignore=skipped, copy_function=copy)
        elif path.exists():
            shutil.copy(path, folder / path.name)


def _link(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except OSError:  # another file system
        shutil.copy2(source, target)


def _give_away(root: Path) -> None:
    for path in [root, *root.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def _inputs(case: Case) -> list[str]:
    """Return what the stage of a case depends on among the files of the experiment."""
    name, *items = shlex.split(case.command)[:2] or [""]
    if name not in STAGES:
        return []
    deps = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][name]["deps"]
    key = f"${{item.{STAGES[name].item}}}"
    return [path.replace(key, "".join(items)) for path in deps if path.startswith(("data/", "models", "results/"))]


def _hashes(folder: Path, patterns: list[str]) -> dict[str, str]:
    """Return the SHA-256 of each file that a pattern names, by path; of folders, all files within."""
    found = {path for pattern in patterns for path in folder.glob(pattern)}
    files = {file for path in found for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()}
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)}


def _run(case: Case, folder: Path) -> tuple[int, str]:
    """Return the exit status and the standard error of a case's command."""
    env = {"NNN_STORE": str(folder / "store"), "NNN_WORKERS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    env |= {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / "site")}
    env |= {name: value.replace("{folder}", str(folder)) for name, value in case.env.items()}
    if case.command.startswith("$ "):
        command = ["sh", "-c", case.command[2:]]
        if case.unprivileged and os.getuid() == 0:
            command = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", *command]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"} | env
        process = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=TIMEOUT_S)
        return process.returncode, process.stderr

    def program() -> None:
        if case.unprivileged and os.getuid() == 0:
            os.setgroups([])
            os.setuid(NOBODY)
        os.environ.update(env)
        os.chdir(folder)
        case.within()
        sys.argv = ["analysis", *shlex.split(case.command)]
        from analysis.__main__ import main

        main()

    return _forked(program)


def _forked(program: Callable[[], None]) -> tuple[int, str]:
    """Return exit status and standard error of a function, run in a fork of this process as a program of its own."""
    with tempfile.TemporaryFile("w+b") as stderr:
        child = fork(program, stderr.fileno())
        status = _wait(child)
        stderr.seek(0)
        return status, stderr.read().decode(errors="replace")


def fork(program: Callable[[], None], stderr: int) -> int:
    """Start a function as a program of its own, whose standard error is this descriptor; return its process id."""
    child = os.fork()
    if child == 0:
        os.setsid()
        with Path(os.devnull).open("w+b") as null:
            os.dup2(null.fileno(), 0)
            os.dup2(null.fileno(), 1)
        os.dup2(stderr, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        status = 1
        try:
            status = _status_of(program)
        finally:  # even if nothing more can be written: the child must not go on as this process
            os._exit(status)
    return child


def _status_of(program: Callable[[], None]) -> int:
    """Run a program as the interpreter would; return its exit status."""
    try:
        program()
        return 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()


def _wait(child: int) -> int:
    """Return the exit status of a child process, negative for a signal; after a time, kill it and its children."""
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
