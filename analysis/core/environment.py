"""The environment stamp: the software and hardware behind a result, and how two such stamps differ.

The stamp is saved with the results and printed in the paper's colophon; comparisons of results report differences
between their stamps, because another torch version, other numerics or another number of threads may change the last
digits. With fixed numerics (`analysis.core.numerics`) the processor changes no digit and is left out, so that the stamp
has the same bytes on every machine.

Every entry except ``image`` can change a digit. ``image`` identifies the container image of the run, whose software the
other entries describe. The paper prints only those, so it has the same bytes inside and outside a container, and
``cmp`` suffices to compare two copies.
"""

import os
import platform
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

from analysis.core import numerics, settings
from analysis.core.files import sha256
from analysis.core.numerics import THREADS
from analysis.core.reading import read_json

PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "xarray", "h5py", "pynwb", "matplotlib", "typst", "dvc")

INSTRUCTION_SETS = {
    "AVX512": {"avx512vl", "avx512bw", "avx512dq", "fma"},
    "AVX2": {"avx2", "fma"},
}
"""Processor flags by which torch chooses its vector instructions, in order of preference."""

FILE = "environment.json"
"""File name of the stamp in the results folder."""


def stamp(root: str | os.PathLike = ".") -> dict:
    """Return the stamp of this process as JSON values.

    Parameters
    ----------
    root : path
        Folder of the lock files.

    Returns
    -------
    dict
        ``locks`` (SHA-256 by file), ``image`` (revision and base of the container image, None outside one),
        ``python`` (major.minor), ``packages``, ``torch``, ``device``, ``cuda``, ``driver``, ``threads``, ``numerics``
        (`numerics.of_results`), and ``cpu`` and ``instruction_set``, None where numerics are fixed.
    """
    torch = _torch()
    flavour = "cpu" if torch.cuda is None else "cuda"
    locks = [Path(root) / name for name in ("requirements.lock", f"requirements-{flavour}.lock")]
    on, computed = settings.device(), numerics.of_results(root)
    fixed = computed == numerics.FIXED
    return {
        "locks": {lock.name: sha256(lock) for lock in locks if lock.exists()},
        "image": {
            "revision": settings.read().image_revision,
            "base": settings.read().image_base,
        },
        "python": ".".join(platform.python_version_tuple()[:2]),
        "packages": {name: version(name) for name in PACKAGES},
        "torch": torch.__version__,
        "device": "cpu" if on == "cpu" else _gpu(on),
        "cuda": torch.cuda,
        "driver": None if on == "cpu" else _driver(),
        "numerics": computed,
        "cpu": None if fixed else _cpu(),
        "instruction_set": None if fixed else _instruction_set(),
        "threads": THREADS,
    }


def differences(ours: dict, theirs: dict, prefix: str = "") -> list[str]:
    """Return a line for each entry in which two stamps differ, named by its path in the stamp."""
    lines = []
    for key in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(key), theirs.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            lines += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            lines.append(f"{prefix}{key}: {a} here, {b} there")
    return lines


def decisive(stamp: dict) -> dict:
    """Return the entries of a stamp that can change a result: all but the image."""
    return {key: value for key, value in stamp.items() if key != "image"}


def read(path: str | os.PathLike) -> dict:
    """Read a stamp from ``environment.json``.

    Raises
    ------
    DataError
        If the file is missing, damaged or not a JSON object.
    """
    return read_json(Path(path), "run the stage summary")


def _torch():
    """Return the module ``torch.version`` without importing torch, which takes two seconds."""
    package = find_spec("torch")
    spec = spec_from_file_location("torch_version", Path(package.origin).with_name("version.py"))
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def _gpu(on: str) -> str:
    import torch

    return torch.cuda.get_device_name(on)


def _cpu() -> str:
    return numerics.cpu_info("model name") or platform.processor() or platform.machine()


def _instruction_set() -> str:
    """Return ``torch.backends.cpu.get_cpu_capability()`` of an x86 processor without importing torch."""
    if chosen := os.environ.get("ATEN_CPU_CAPABILITY"):
        return chosen.upper()
    flags = numerics.cpu_flags()
    for name, needed in INSTRUCTION_SETS.items():
        if needed <= flags:
            return name
    return "DEFAULT"


def _driver() -> str:
    import pynvml

    pynvml.nvmlInit()
    try:
        return pynvml.nvmlSystemGetDriverVersion()
    finally:
        pynvml.nvmlShutdown()
