"""The store: a folder outside the pipeline's outputs, for fetched files and finished parts of long work.

DVC empties the outputs of a stage before it runs the stage, so what a killed run had finished is kept elsewhere.
``NNN_STORE`` names the folder; by default it is in the user's cache folder. Runs of several clones may share it: a
folder of unfinished work belongs to one run at a time.
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
    """Return one SHA-256 over the package's Python files, so that only work of the same code is resumed."""
    package, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()} {sha256(path)}\n".encode())
    return digest.hexdigest()


def origin() -> dict:
    """Return what of this machine and its software determines a trained network, as part of a key of `work_folder`."""
    import torch

    machine = [platform.machine(), torch.backends.cpu.get_cpu_capability(), settings.device()]
    return {"code": code_digest(), "torch": version("torch"), "machine": machine}


ADVICE = "set NNN_STORE to a folder on a local disk"


@contextmanager
def work_folder(stage: str, key: dict) -> Iterator[Path]:
    """Create and yield the folder in which `stage` keeps unfinished work, and own it within the block.

    A run that finds it owned waits. When the block ends well, its results being in the output of the stage, the folder
    is removed, unless another run waits for it: that one then finds all work done.

    Parameters
    ----------
    stage : str
        Name of the stage.
    key : dict
        Everything but the numerics that determines the result, as JSON values: parameters, hashes of the inputs,
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
    """Return the path of a small file that `stage` keeps for later runs, `key` as in `work_folder`.

    It has no owner: write it whole (`analysis.core.files`).
    """
    return _work() / _name(stage, key) / file


def lock_of(folder: Path) -> Path:
    """Return the lock of a work folder; it lies beside, so that it outlives the folder."""
    return store_root() / "locks" / folder.name


def prune(older_than: float) -> int:
    """Remove work folders without an owner, last written to before `older_than` (Unix time).

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
