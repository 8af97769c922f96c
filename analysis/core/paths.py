"""Folders of the pipeline, relative to the folder of ``params.yaml``."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.core.errors import DataError

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
"""Parent folder of the recorded data sets; each repeats the layout above."""
_changed_from: list[Path] = []
"""The folder of ``params.yaml`` while a stage runs in the folder of a recorded data set; otherwise empty."""


def of_reader(file: str) -> Path:
    """Resolve a path given in ``params.yaml`` against the folder of ``params.yaml``."""
    return Path(*_changed_from, file)


@contextmanager
def inside(dataset: str | None) -> Iterator[None]:
    """Change into the folder of a recorded data set, against which all paths then resolve; None changes nothing.

    Creates the folder if missing. A relative ``NNN_STORE`` keeps pointing to the same store. Errors name the folder,
    since the paths in their messages are relative to it.
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
    except DataError as error:
        raise DataError(f"{folder}: {error}") from error
    finally:
        _changed_from.pop()
        os.chdir(before)
