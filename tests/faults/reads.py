"""Note which files of an experiment a process opens, by whatever library."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

INPUTS = ("data/", "models/", "results/", "paper/figures/", "recorded/", "mine/")


def note_reads(log: Path, folder: Path) -> None:
    """Write the name of every file that this process opens to `log`, by whatever library."""
    import h5py
    import safetensors
    import safetensors.torch

    file = log.open("a", buffering=1, encoding="utf-8")

    def note(path: object) -> None:
        with suppress(TypeError, ValueError):
            name = os.path.relpath(os.fspath(path), folder)  # a stage may have changed the working folder
            if name.startswith(INPUTS) and (folder / name).is_file() and "/." not in name:
                file.write(f"{name}\n")

    sys.addaudithook(lambda event, arguments: note(arguments[0]) if event == "open" else None)
    for module, name in ((h5py, "File"), (safetensors, "safe_open"), (safetensors.torch, "safe_open")):
        _noted(module, name, note)


def _noted(module: object, name: str, note: Callable) -> None:
    original = getattr(module, name)
    if isinstance(original, type) and name == "File":
        begin = original.__init__

        def __init__(self, path, *args, **options):
            note(path)
            begin(self, path, *args, **options)

        original.__init__ = __init__
    else:

        def opened(path, *args, **options):
            note(path)
            return original(path, *args, **options)

        setattr(module, name, opened)
