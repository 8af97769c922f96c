"""A case of ``nox -s faults``: a command, what is broken before it runs, and what it must then say and leave alone."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

PARAMS = "params.yaml"


def _nothing(*_: object) -> None:
    """Break nothing."""


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes
    ----------
    name : str
        Unique; words and dashes.
    command : str
        What follows ``python -m analysis``, or ``$ `` and a shell command, which takes an interpreter's start longer.
    says : str
        Regular expression that standard error must hold.
    fault : callable
        ``fault(folder)`` breaks something in a copy of a finished experiment; the command then runs in `folder`.
    status : int
        Exit status.
    intact : tuple of str
        Globs, relative to the folder, of files that the command must neither change nor remove. For a stage, all that
        it depends on is held intact without being named.
    env : dict
        Environment variables; ``{folder}`` in a value stands for the folder.
    within : callable
        Called in the process of the command before it begins: limits on resources, functions that fail. Not with ``$``.
    unprivileged : bool
        Run by a user without rights, who owns the folder. Where the tests do not run as root, that user is oneself.
    lines : int
        Lines that standard error may have.
    linked : bool
        Link to the experiment's files instead of copying them, which is faster: for a fault that reaches no file but
        params.yaml and a command that must touch none.
    """

    name: str
    command: str
    says: str
    fault: Callable[[Path], object] = _nothing
    status: int = 1
    intact: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    within: Callable[[], object] = _nothing
    unprivileged: bool = False
    lines: int = 3
    linked: bool = False


def together(*faults: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return the fault that is several faults, one after the other."""

    def apply(folder: Path) -> None:
        for fault in faults:
            fault(folder)

    return apply


def params(**values: object) -> Callable[[Path], None]:
    """Return the fault of other parameters; ``__`` in a name stands for the dot between keys."""

    def apply(folder: Path) -> None:
        path = folder / PARAMS
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key, value in values.items():
            *groups, last = key.split("__")
            branch = tree
            for group in groups:
                branch = branch[group]
            branch[last] = value
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")

    return apply


def cut(path: str, n: int | None = None) -> Callable[[Path], None]:
    """Return the fault of a file of which `n` bytes remain, by default half; `path` is a glob that matches one."""

    def apply(folder: Path) -> None:
        file = one(folder, path)
        data = file.read_bytes()
        file.chmod(0o644)
        file.write_bytes(data[: len(data) // 2 if n is None else n])

    return apply


def write(path: str, text: str | bytes) -> Callable[[Path], None]:
    """Return the fault of a file, new or not, that holds `text`."""

    def apply(folder: Path) -> None:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    return apply


def remove(path: str) -> Callable[[Path], None]:
    """Return the fault of a file or folder that is missing; `path` is a glob that matches one."""

    def apply(folder: Path) -> None:
        found = one(folder, path)
        shutil.rmtree(found) if found.is_dir() else found.unlink()

    return apply


def mode(path: str, bits: int) -> Callable[[Path], None]:
    """Return the fault of other permissions, which bind a case that is `unprivileged`."""

    def apply(folder: Path) -> None:
        one(folder, path).chmod(bits)

    return apply


def one(folder: Path, pattern: str) -> Path:
    """Return the first path, in order of name, that the glob matches in the folder."""
    found = sorted(folder.glob(pattern))
    if not found:
        raise FileNotFoundError(f"no {pattern} in the experiment: mend the case")
    return found[0]
