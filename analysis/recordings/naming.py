"""Match files to recordings and to their names in the authors' csv files."""

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from analysis.core import paths
from analysis.core.errors import DataError

STEM = re.compile(r"sub-(?P<subject>[A-Za-z0-9]+)_ses-\d\d(?P<date>\d{6})T(?P<time>\d{6})(?P<image>_image)?")


@dataclass(frozen=True)
class Files:
    """The two files of a recording."""

    name: str
    """Name in the csv files, such as ``An220105`` or ``Pa191024_2``."""
    subject: str
    main: Path
    """Trials, presentations and fixations (``..._image.nwb``)."""
    rasters: Path
    """Spike rasters (the same name without ``_image``)."""


def parse(path: Path) -> tuple[str, str, str]:
    """Return subject, date (yymmdd) and time (hhmmss) of a published file name.

    Raises `DataError` if the name does not have the published form.
    """
    match = STEM.fullmatch(path.stem)
    if not match:
        raise DataError(f"{path}: not named like a published file (sub-An_ses-20220105T173929_image.nwb)")
    return match["subject"], match["date"], match["time"]


def suffix_order(name: str) -> tuple[str, int]:
    """Return the sort key of a recording name: the name without suffix first, then ``_1``, ``_2``."""
    base, _, suffix = name.partition("_")
    return base, int(suffix) if suffix.isdigit() else 0


def name_of(path: Path, names: list[str], siblings: list[Path], fits: Callable[[str], bool]) -> str:
    """Return the name that the csv files give to the recording with the main file `path`.

    A name consists of subject and date, and for some recordings a suffix; the recordings of a date are ordered by time
    (checked on all 679 published recordings). If only some of them are present, ``fits(name)`` tells whether the csv
    files list the recording's units under a name.

    Parameters
    ----------
    names : list of str
        All names in the area table.
    siblings : list of Path
        Main files of the same subject and date, `path` among them.
    """
    subject, date, _ = parse(path)
    base = subject + date
    candidates = sorted((name for name in names if name.partition("_")[0] == base), key=suffix_order)
    if not candidates:
        raise DataError(f"{path.name}: recording {base} is not in bank_array_regions.csv; add its banks and areas")
    siblings = sorted(siblings, key=lambda sibling: parse(sibling)[2])
    if len(candidates) == 1 and len(siblings) == 1:
        return candidates[0]
    if len(candidates) == len(siblings):
        return candidates[siblings.index(path)]
    fitting = [name for name in candidates if fits(name)]
    if len(fitting) == 1:
        return fitting[0]
    raise DataError(
        f"{path.name} is ambiguous ({' or '.join(fitting or candidates)}): {path.parent} has {len(siblings)}"
        " recording(s) of that date. Add the others so that their times identify them"
    )


def main_files(folder: Path) -> list[Path]:
    """Return the main files below a folder in the published layout, in the order of their names.

    Raises `DataError` if there is none.
    """
    paths = sorted(path for path in Path(folder).glob("sub-*/*_image.nwb"))
    if not paths:
        raise DataError(f"{folder}: no recording there (sub-X/sub-X_ses-T_image.nwb); run the stage acquire first")
    return paths


def same_date(paths: list[Path]) -> dict[Path, list[Path]]:
    """Return for each main file all main files of its subject and date."""
    groups = defaultdict(list)
    for path in paths:
        groups[parse(path)[:2]].append(path)
    return {path: group for group in groups.values() for path in group}


def rasters_beside(main: Path) -> Path:
    """Return the path of the raster file that belongs to a main file."""
    return main.with_name(main.name.replace("_image.nwb", ".nwb"))


def rasters_of(session: str) -> Path:
    """Return the raster file of a session, published or given by its path."""
    match = STEM.fullmatch(session)
    return paths.DANDISET / f"sub-{match['subject']}" / f"{session}.nwb" if match else Path(session)
