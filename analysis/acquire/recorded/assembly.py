"""A user's own data set: a folder of arrays, or an assembly and a stimulus set in BrainIO's format."""

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from analysis.acquire.recorded import arrays, brainio, layout
from analysis.acquire.recorded.presentations import responses
from analysis.core.errors import DataError
from analysis.core.files import sha256
from analysis.core.paths import of_reader
from analysis.params import Params
from analysis.params.recorded import Assembly

ORIENTATION = 0x0112
"""EXIF tag for the rotation of the stored pixels; 1: none."""


def acquire(entry: Assembly, params: Params, raw: Path) -> None:
    """Read the user's files and write them to `raw` in the common layout.

    Relative paths start from the folder that holds ``params.yaml``.

    Raises
    ------
    DataError
        If a file is missing or damaged, or breaks a rule of the readers (`arrays.read`, `brainio`), of
        `presentations.responses` or of `layout.write`.
    """
    path = of_reader(entry.path)
    if not path.exists():
        raise DataError(f"{path} not found: recorded.datasets names it (path)")
    if path.is_dir():
        images, table, picture = arrays.read(path, entry.region, entry.window_ms)
        files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        base, pictures = path, path / "images"
    else:
        if entry.stimuli is None:
            raise DataError(f"{path}: set stimuli in params.yaml to the csv file with a row per image")
        stimuli = of_reader(entry.stimuli)
        pictures = stimuli.with_suffix(".zip") if stimuli.with_suffix(".zip").is_file() else stimuli.with_suffix("")
        pictures = pictures if pictures.exists() else stimuli.parent
        table = brainio.read_assembly(path, path.stem, entry.region, entry.window_ms)
        images, picture = brainio.read_stimuli(stimuli, pictures)
        files, base = [path, stimuli, *([pictures] if pictures.is_file() else [])], path.parent
    digests = {p.relative_to(base).as_posix() if p.is_relative_to(base) else p.name: sha256(p) for p in files}
    origin = layout.Origin(path.name, "", "the reader's own", "", digests)
    data = responses(table, entry.response, str(path))
    layout.write(raw, images, data, upright(picture), entry.source, origin, str(pictures))


def upright(picture: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Wrap `picture` to refuse images that their EXIF orientation would rotate.

    Stimulus software may ignore or follow the tag, so which way up the monkey saw the image is unknown.
    """

    def checked(file: str) -> bytes:
        data = picture(file)
        try:
            with Image.open(io.BytesIO(data)) as image:
                turned = image.getexif().get(ORIENTATION, 1)
        except Exception:  # unreadable: `layout.write` reports it
            return data
        if turned not in (0, 1):
            raise DataError(f"EXIF orientation {turned}: turn the pixels to how the image was shown and drop the tag")
        return data

    return checked
