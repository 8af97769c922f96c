"""Which images each recording shows, read from the main NWB files."""

from pathlib import Path

import numpy as np

from analysis.core.errors import DataError
from analysis.core.files import hdf5
from analysis.core.progress import track


def main_files(dandiset: Path) -> list[Path]:
    """Return the main files (trials, presentations, gaze), sorted by name."""
    return sorted(dandiset.glob("sub-*/*_image.nwb"))


def images_shown(path: Path) -> list[str]:
    """Return the image paths (``Stimuli/<md5>.<ext>``) that occur in a recording's presentations, sorted.

    Raises `DataError` if the file cannot be read or is not an NWB main file.
    """
    again = "fetch it again"
    with hdf5.opened(path, "NWB", again) as file, hdf5.reading(path, "NWB", again):
        names = file["stimulus/templates/stimuli/external_file"].asstr()[:]
        rows = file["stimulus/presentation/presentations/data"][:]
    try:
        return sorted(set(names[np.unique(rows).astype(int)]))
    except (IndexError, ValueError, TypeError) as error:
        raise DataError(f"{path}: cannot read which images it shows ({error}); {again}") from error


def all_shown(dandiset: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the image paths shown by each recording, and why some recordings cannot be read, by name of the main file.

    A damaged recording is not an error here; the stage ``recordings`` decides how many may fail.
    """
    shown, damaged = {}, {}
    for path in track(main_files(dandiset), "images shown"):
        name = path.relative_to(dandiset).as_posix()
        try:
            shown[name] = images_shown(path)
        except DataError as error:
            damaged[name] = str(error).removeprefix(f"{path}: ")
    return shown, damaged
