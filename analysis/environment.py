"""The environment stamp: what a result was computed with, and in what two such stamps differ.

The stamp lies beside the results, the paper's colophon prints it, and results computed under different stamps are
said to be so when they are compared: another torch, processor or thread count may change last digits.
"""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

from analysis.errors import DataError
from analysis.files import sha256
from analysis.runtime import THREADS, device

PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "xarray", "h5py", "matplotlib", "typst", "dvc")


def stamp(root: str | os.PathLike = ".") -> dict:
    """Return the environment of this process as JSON values.

    Parameters
    ----------
    root : path
        Folder of the lock files.

    Returns
    -------
    dict
        ``locks`` (SHA-256 by file), ``image`` (revision and base of the container image, None outside one),
        ``python`` (major.minor), ``packages``, ``torch``, ``device``, ``cuda``, ``driver``, ``cpu``,
        ``instruction_set`` and ``threads``.
    """
    import torch

    flavour = "cpu" if torch.version.cuda is None else "cuda"
    locks = [Path(root) / name for name in ("requirements.lock", f"requirements-{flavour}.lock")]
    on = device()
    return {
        "locks": {lock.name: sha256(lock) for lock in locks if lock.exists()},
        "image": {"revision": os.environ.get("NNN_IMAGE_REVISION"), "base": os.environ.get("NNN_IMAGE_BASE")},
        "python": ".".join(platform.python_version_tuple()[:2]),
        "packages": {name: version(name) for name in PACKAGES},
        "torch": torch.__version__,
        "device": "cpu" if on == "cpu" else torch.cuda.get_device_name(on),
        "cuda": torch.version.cuda,
        "driver": None if on == "cpu" else _driver(),
        "cpu": _cpu(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "threads": THREADS,
    }


def differences(ours: dict, theirs: dict, prefix: str = "") -> list[str]:
    """Return one line per value in which two stamps differ, named by its path in the stamp."""
    lines = []
    for key in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(key), theirs.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            lines += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            lines.append(f"{prefix}{key}: {a} here, {b} there")
    return lines


def read(path: str | os.PathLike) -> dict:
    """Read a stamp from ``environment.json``.

    Raises
    ------
    DataError
        If the file is missing or is no JSON object.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the environment stamp {path}: {error}; dvc repro writes it") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} is no environment stamp (a JSON object); dvc repro writes one")
    return value


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _driver() -> str:
    import pynvml

    pynvml.nvmlInit()
    try:
        return pynvml.nvmlSystemGetDriverVersion()
    finally:
        pynvml.nvmlShutdown()
