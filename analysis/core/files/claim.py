"""Check that a command may write its output: never over its inputs, and over other files only with ``--force``."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from analysis.core.errors import DataError

FORCE_HELP = "overwrite an existing file; inputs are never overwritten"


def claim(out: Path, *, suffixes: Sequence[str], inputs: Iterable[Path] = (), force: bool = False) -> None:
    """Check, before anything is computed, that a command may write the file `out`.

    Parameters
    ----------
    out : path
    suffixes : sequence of str
        Allowed suffixes; ``""`` allows a name without one.
    inputs : iterable of path
        Files and folders that the command reads; none is replaced, whichever path leads to it (a link, ``..``, another
        spelling).
    force : bool
        Whether to replace a file that is not an input.

    Raises
    ------
    DataError
        If `out` is an input, a folder or a device, has another suffix, exists without `force`, or its folder is
        missing.
    """
    if out.is_dir():
        raise DataError(f"{out} is a folder; give the name of a file in it")
    if out.suffix not in suffixes:
        ending = " or ".join(suffixes)
        raise DataError(f"{out}: give a name " + (f"that ends in {ending}" if ending else "without an ending"))
    _check_folder(out.parent)
    _check(out, inputs, force)


def claim_folder(out: Path, *, names: Iterable[str], inputs: Iterable[Path] = (), force: bool = False) -> None:
    """Check, before anything is computed, that a command may write the files `names` in the folder `out`.

    The folder may be missing, its parent may not. Otherwise like `claim`.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; give a folder")
    _check_folder(out.absolute().parent)
    inputs = list(inputs)
    for name in names:
        _check(out / name, inputs, force)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: create it or choose another")


def _check(out: Path, inputs: Iterable[Path], force: bool) -> None:
    if not os.path.lexists(out):
        return
    if any(_leads_to(out, path) for path in inputs):
        raise DataError(f"{out} is an input of this command and would be overwritten; give another name")
    if out.exists() and not out.is_file():
        raise DataError(f"{out} is not a regular file; give another name")
    if not force:
        raise DataError(f"{out} already exists; give another name, or --force to replace it")


def _leads_to(out: Path, path: Path) -> bool:
    """Return whether `out` is the file `path`, a link to it (or its target), or a file within the folder `path`."""
    if not out.exists() or not path.exists():
        return False
    if path.is_dir():
        return path.resolve() in out.resolve().parents or any(out.samefile(file) for file in path.rglob("*"))
    return out.samefile(path)
