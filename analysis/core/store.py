"""The store: a folder outside the pipeline's outputs, for fetched files and finished parts of long work.

DVC empties the outputs of a stage before it runs the stage, so what a killed run had finished is kept elsewhere.
``NNN_STORE`` names the folder; by default it is in the user's cache folder.
"""

import hashlib
import json
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from analysis.core import numerics, settings
from analysis.core.files import sha256


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


def work_folder(stage: str, key: dict) -> Path:
    """Create and return the folder in which `stage` keeps unfinished work.

    Parameters
    ----------
    stage : str
        Name of the stage.
    key : dict
        Everything but the numerics that determines the result, as JSON values: parameters, hashes of the inputs,
        `code_digest`.
    """
    key = {"numerics": numerics.state()} | key
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    folder = store_root() / "work" / f"{stage}-{digest[:24]}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def discard(folder: Path) -> None:
    """Remove a work folder whose results are in the output of the stage."""
    shutil.rmtree(folder, ignore_errors=True)
