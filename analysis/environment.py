"""The environment stamp: what a result was computed with, and in what two such stamps differ.

The stamp lies beside the results, the paper's colophon prints it, and results computed under different stamps are
said to be so when they are compared: another torch, processor or thread count may change last digits.

The stamp has two parts. All but ``image`` can change a digit, so equal results need equal values there. ``image`` says
where a run took place and decides nothing beyond that: what an image fixes is in the other values. The paper prints
only the first part. So it has the same bytes inside an image and outside, and a reader can compare the two by ``cmp``.
"""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

from analysis.errors import DataError
from analysis.files import sha256
from analysis.runtime import THREADS, device

PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "xarray", "h5py", "pynwb", "matplotlib", "typst", "dvc")

FILE = "environment.json"
"""Name of the stamp in the folder of the results."""


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
        "image": {
            "revision": os.environ.get("NNN_IMAGE_REVISION") or None,
            "base": os.environ.get("NNN_IMAGE_BASE") or None,
        },
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


def decisive(stamp: dict) -> dict:
    """Return the part of a stamp that can change a result: all but the image."""
    return {key: value for key, value in stamp.items() if key != "image"}


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
