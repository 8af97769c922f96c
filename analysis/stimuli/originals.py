"""The published images at full size (``images.npy`` holds them padded and rescaled)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from analysis.core.errors import DataError
from analysis.core.images import decode
from analysis.core.paths import STIMULI_ARCHIVE
from analysis.stimuli.archive import SplitZip
from analysis.stimuli.read import read_table


def archive_of() -> Path:
    """Return the last volume of the image archive. Raises `DataError` if there is none, or more than one."""
    found = sorted(STIMULI_ARCHIVE.glob("*.zip"))
    if len(found) != 1:
        raise DataError(f"{STIMULI_ARCHIVE}: {len(found)} .zip files, not one (Stimuli.zip); run the stage acquire")
    return found[0]


@contextmanager
def originals() -> Iterator[Callable[[str], Image.Image]]:
    """Open the archive and yield a function from the stem of an image in ``images.csv`` to that image (PIL, RGB)."""
    names = dict(read_table()[["stem", "path"]].itertuples(index=False))
    with SplitZip(archive_of()) as opened:
        yield lambda stem: decode(opened.read(names[stem]))
