"""Folders of the pipeline, relative to the one that holds ``params.yaml``."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RAW = Path("data/raw")
DANDISET = RAW / "dandiset"
STIMULI_ARCHIVE = RAW / "stimuli"
ANNOTATIONS = RAW / "annotations"
REPORT_FILES = RAW / "report"
TRUTH = RAW / "truth"
STIMULI = Path("data/stimuli")
RECORDINGS = Path("data/recordings")
NEURAL = Path("data/neural")
ACTIVATIONS = Path("data/activations")
MODELS = Path("models")
RESULTS = Path("results")
FIGURES = Path("paper/figures")
RECORDED = Path("recorded")
"""Holds a folder for each recorded data set, of the same layout."""
_changed_from: list[Path] = []
"""The folder that holds ``params.yaml``, while a stage runs in that of a recorded data set."""


def of_reader(file: str) -> Path:
    """Return the path of a file that ``params.yaml`` names: relative to the folder that holds ``params.yaml``."""
    return Path(*_changed_from, file)


@contextmanager
def inside(dataset: str | None) -> Iterator[None]:
    """Change into the folder of a recorded data set, so that all paths hold there; None: stay.

    The folder is made if missing. A store given by a relative path stays where it is.
    """
    if dataset is None:
        yield
        return
    folder, before = RECORDED / dataset, Path.cwd()
    if store := os.environ.get("NNN_STORE"):
        os.environ["NNN_STORE"] = str(before / store)
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    _changed_from.append(before)
    try:
        yield
    finally:
        _changed_from.pop()
        os.chdir(before)
