"""Stage ``stimuli``: build data/stimuli from the image archive, regions and lists of near-duplicates."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from analysis import params as settings
from analysis.core.errors import DataError
from analysis.core.files import atomic, create_memmap, write_csv
from analysis.core.images import decode
from analysis.core.parallel import map_threads
from analysis.core.paths import ANNOTATIONS, DANDISET, REPORT_FILES, STIMULI
from analysis.core.progress import track
from analysis.core.settings import workers
from analysis.stimuli import splits
from analysis.stimuli.archive import SplitZip
from analysis.stimuli.categories import annotated_stems, label_of, read_categories, read_file_names, stem_of
from analysis.stimuli.images import SUFFIXES, pad
from analysis.stimuli.originals import archive_of
from analysis.stimuli.read import COLUMNS
from analysis.stimuli.shown import all_shown


def run(params: settings.Params) -> None:
    """Write data/stimuli: images.npy, images.csv, and lists of the files that were not used.

    ``unreadable.csv`` (path, reason): images in the archive that cannot be decoded. ``missing.csv`` (path, reason,
    recordings): images that this many recordings show but the archive lacks, and recordings that cannot be read.
    ``copies.csv`` (path, used): other files of an image (same stem), of which one is used.

    Raises
    ------
    DataError
        If an input is missing or damaged, no image is left, or more than ``stimuli.unreadable_allowed`` are
        unreadable.
    """
    shown, damaged = all_shown(DANDISET)
    counts = Counter(name for names in shown.values() for name in names)
    with SplitZip(archive_of()) as archive:
        wanted = {stem_of(name) for name in counts} if params.stimuli.images == "shown" else None
        chosen, copies = choose(archive.members, wanted)
        if not chosen:
            raise DataError(
                f"{archive.path}: none of its {len(archive.members)} members is an image shown in the recordings; "
                "choose other recordings, or set stimuli.images to all"
            )
        sizes, unreadable = _write_images(archive, chosen, params.stimuli)
    print(f"stimuli: {len(sizes)} images, {len(unreadable)} unreadable, {len(copies)} copies")
    table = _table(sizes, {name: {*map(stem_of, names)} for name, names in shown.items()}, params)
    found = {stem_of(name) for name in [*chosen, *copies]}
    lost = [(name, "not in the archive", n) for name, n in sorted(counts.items()) if stem_of(name) not in found]
    lost += [(name, reason, 1) for name, reason in damaged.items()]
    if lost:
        print(f"stimuli: {len(lost)} shown images or recordings missing, see {STIMULI / 'missing.csv'}")
    write_csv(STIMULI / "images.csv", table)
    write_csv(STIMULI / "unreadable.csv", pd.DataFrame(unreadable.items(), columns=["path", "reason"]))
    write_csv(STIMULI / "missing.csv", pd.DataFrame(lost, columns=["path", "reason", "recordings"]))
    write_csv(STIMULI / "copies.csv", pd.DataFrame(copies.items(), columns=["path", "used"]))


def choose(members, wanted: set[str] | None) -> tuple[list[str], dict[str, str]]:
    """Choose one image file of the archive for each of the stems `wanted` (None: all).

    Returns the names in order of stem, and the other names of each stem with the name used. A stem is the MD5 of the
    published image, so files with the same stem hold the same picture.
    """
    chosen: dict[str, str] = {}
    copies = {}
    for name in sorted(members):
        path = PurePosixPath(name)
        if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or "__MACOSX" in path.parts:
            continue
        if wanted is not None and path.stem not in wanted:
            continue
        if path.stem in chosen:
            copies[name] = chosen[path.stem]
        else:
            chosen[path.stem] = name
    return [chosen[stem] for stem in sorted(chosen)], copies


def _write_images(archive: SplitZip, names: list[str], values: settings.Stimuli) -> tuple[dict, dict]:
    """Write images.npy in the order of `names`; return the sizes of the readable images, and why others failed."""
    sizes, unreadable = {}, {}
    with atomic(STIMULI / "images.npy") as part:
        # Unreadable images are not known in advance: allocate rows for all, then truncate to those that were read.
        images = create_memmap(part, np.uint8, (len(names), 3, values.size, values.size))
        for name, image, reason in track(_decoded(archive, names, values.size), "images", total=len(names)):
            if image is None:
                unreadable[name] = reason
            else:
                images[len(sizes)], sizes[name] = image
        images.flush()
        if not sizes or len(unreadable) > values.unreadable_allowed * len(names):
            path, reason = next(iter(unreadable.items()))
            raise DataError(
                f"{archive.path}: {len(unreadable)} of {len(names)} images cannot be read (first {path}: {reason}), "
                f"more than stimuli.unreadable_allowed = {values.unreadable_allowed:g}; fetch the archive again"
            )
        if unreadable:
            _cut(part, images, len(sizes))
    return sizes, unreadable


def _cut(part: Path, images: np.ndarray, n: int) -> None:
    """Truncate the file to its first `n` images; the header has room for a number of any length."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (n, *images.shape[1:])}
    with part.open("r+b") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(images.offset + images[:n].nbytes)


def _decoded(archive: SplitZip, names: list[str], size: int) -> Iterator[tuple]:
    """Yield name, image as (pixels, (width, height)) or None, and why it is unreadable, in order; decode in threads."""

    def decode_one(name: str) -> tuple:
        try:
            image = decode(archive.read(name))
        except DataError as error:
            return name, None, str(error).removeprefix(f"{archive.path}: ")
        return name, (pad(image, size), image.size), None

    at_once = workers()
    for start in range(0, len(names), 4 * at_once):
        block = names[start : start + 4 * at_once]
        yield from map_threads(decode_one, block, at_once)


def _table(sizes: dict[str, tuple[int, int]], shown: dict, params: settings.Params) -> pd.DataFrame:
    """Return images.csv for the images in `sizes` (name to width and height), in that order."""
    database = ANNOTATIONS / "db"
    categories = read_categories(database / "ROIs" / "Stimuli")
    looked_at = annotated_stems(shown, categories)
    in_report = set(read_file_names(REPORT_FILES / "face.csv"))
    table = pd.DataFrame({"path": list(sizes)})
    table["stem"] = [stem_of(name) for name in sizes]
    table["extension"] = [PurePosixPath(name).suffix for name in sizes]
    table["width"], table["height"] = zip(*sizes.values(), strict=True)
    table["category"] = ["+".join(sorted(categories.get(name, ()))) or "none" for name in table["stem"]]
    table["annotated"] = [name in looked_at for name in table["stem"]]
    table["label"] = [label_of(categories.get(name, set()), name in looked_at) for name in table["stem"]]
    table["group"] = splits.group_near_duplicates(
        list(table["stem"]), splits.read_similar(database / "similar_images.txt")
    )
    table["split"] = splits.split_groups(
        table["group"].to_numpy(), list(table["label"]), params.stimuli.validation, params.stimuli.test, params.seed
    )
    table["label_report"] = ["face" if PurePosixPath(name).name in in_report else "non-face" for name in table["path"]]
    table["split_report"] = splits.split_report(table["label_report"])
    return table[COLUMNS]
