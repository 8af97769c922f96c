"""The store: a folder outside the pipeline's outputs for downloads and intermediate results of long stages.

DVC deletes the outputs of a stage before running it, so intermediate results are kept here to survive a killed run.
``NNN_STORE`` names the folder; by default it is in the user's cache folder. Several clones may share it: a folder of
unfinished work belongs to one run at a time.
"""

import hashlib
import json
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from analysis.core import numerics, settings
from analysis.core.files import locks, sha256, writing


def store_root() -> Path:
    """Return the folder of the store (``NNN_STORE``, by default in the user's cache folder)."""
    return settings.read().store


def code_digest() -> str:
    """Return one SHA-256 over the package's Python files, so that a run resumes only work of the same code."""
    package, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()} {sha256(path)}\n".encode())
    return digest.hexdigest()


def origin() -> dict:
    """Return the code, torch version and machine that determine a trained network, for a key of `work_folder`."""
    import torch

    machine = [platform.machine(), torch.backends.cpu.get_cpu_capability(), settings.device()]
    return {"code": code_digest(), "torch": version("torch"), "machine": machine}


ADVICE = "set NNN_STORE to a folder on a local disk"


@contextmanager
def work_folder(stage: str, key: dict) -> Iterator[Path]:
    """Create and yield the folder in which `stage` keeps unfinished work, and hold its lock within the block.

    Other runs wait for the lock. When the block succeeds, the results are in the output of the stage and the folder is
    removed, unless another run is waiting: that run then finds all work done.

    Parameters
    ----------
    stage : str
        Name of the stage.
    key : dict
        Everything except the numerics that determines the result, as JSON values: parameters, hashes of the inputs,
        `code_digest`.

    Raises
    ------
    DataError
        If the store cannot be written or its file system has no locks.
    """
    folder = _work() / _name(stage, key)
    with locks.held(lock_of(folder), stage, ADVICE):
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        yield folder
        if not locks.awaited(lock_of(folder)):
            shutil.rmtree(folder, ignore_errors=True)


def note_path(stage: str, key: dict, file: str) -> Path:
    """Return the path of a small file that `stage` keeps for later runs; `key` as in `work_folder`.

    No lock protects it: write it atomically (`analysis.core.files`).
    """
    return _work() / _name(stage, key) / file


def lock_of(folder: Path) -> Path:
    """Return the lock of a work folder, which lies outside the folder and so outlives it."""
    return store_root() / "locks" / folder.name


def prune(older_than: float) -> int:
    """Remove work folders that no run holds and that were last written before `older_than` (Unix time).

    Returns
    -------
    int
        Bytes removed.
    """
    freed = 0
    for folder in sorted(_work().glob("*")):
        inside = [path.lstat() for path in [folder, *folder.rglob("*")]]
        if max(found.st_mtime for found in inside) < older_than:
            with locks.if_free(lock_of(folder)) as free:
                if free:
                    shutil.rmtree(folder, ignore_errors=True)
                    freed += sum(found.st_size for found in inside)
    return freed


def _work() -> Path:
    return store_root() / "work"


def _name(stage: str, key: dict) -> str:
    key = {"numerics": numerics.state()} | key
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return f"{stage}-{digest[:24]}"
