"""Circumstances in which a result must not change, each as a reader's machine might have it.

`prepare` makes of a folder and its environment variables an odd place to compute in; what it returns runs a command
there. Reversed listings stand for another file system; a ``sitecustomize`` module tells every Python that starts there.
One core is real: the processes may use no other.
"""

import os
import shutil
from pathlib import Path

NAMES = ("cores", "workers", "locale", "time zone", "umask", "home", "user", "listings", "file times")
FOLDER = "a folder with späces"
"""Name of a folder that programs are known to trip over."""

YEAR_2001 = 978307200
"""Its begin, in seconds since 1970."""

VARIABLES = {
    "workers": {"NNN_WORKERS": "3"},
    "locale": {"LC_ALL": "C", "LANG": "C"},
    "time zone": {"TZ": "Pacific/Kiritimati"},
    "user": {"USER": "someone", "LOGNAME": "someone"},
}
"""Circumstances that environment variables make."""

REVERSED = '''"""List folders from the end, as another file system might."""

import os

_listdir, _scandir = os.listdir, os.scandir


class _Entries:
    def __init__(self, entries):
        self.entries = iter(entries)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.entries)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def close(self):
        pass


def listdir(path="."):
    return sorted(_listdir(path), reverse=True)


def scandir(path="."):
    with _scandir(path) as entries:
        return _Entries(sorted(entries, key=lambda entry: entry.name, reverse=True))


os.listdir, os.scandir = listdir, scandir
'''


def prepare(folder: Path, environment: dict[str, str], names: tuple[str, ...] = NAMES) -> tuple[dict[str, str], list]:
    """Make a project's folder odd; return the environment of commands in it, and what stands before a command.

    Parameters
    ----------
    folder : path
        A project that is laid out and not built.
    environment : dict
        Of its commands.
    names : tuple of str
        Some of `NAMES`.
    """
    beside = folder.parent / f"{folder.name} beside"
    (beside / "home").mkdir(parents=True)
    changed, before = dict(environment), []
    for name in names:
        changed |= VARIABLES.get(name, {})
    if "cores" in names and (taskset := shutil.which("taskset")):
        before += [taskset, "--cpu-list", str(min(os.sched_getaffinity(0)))]
    if "umask" in names:
        before = ["sh", "-c", 'umask 077 && exec "$@"', "sh", *before]
    if "home" in names:
        changed |= {"HOME": str(beside / "home"), "XDG_CACHE_HOME": str(beside / "home" / "cache")}
    if "listings" in names:
        (beside / "sitecustomize.py").write_text(REVERSED, encoding="utf-8")
        changed["PYTHONPATH"] = str(beside)
    if "file times" in names:
        _set_times(folder)
    return changed, before


def _set_times(folder: Path) -> None:
    """Date every file to a year long ago, in another order than that in which it was made."""
    for number, path in enumerate(sorted(folder.rglob("*"))):
        then = YEAR_2001 + 1009 * (number % 977)
        os.utime(path, (then, then), follow_symlinks=False)
