"""Macaque V4 (Cowley et al. 2023): array responses to images in one of many sessions, from GitHub at a fixed commit."""

import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from analysis.acquire.real import blobs, github, sources
from analysis.acquire.real.download import fetch
from analysis.acquire.recorded import layout
from analysis.acquire.recorded.layout import Origin, Responses
from analysis.core.errors import DataError
from analysis.params import Params
from analysis.params.recorded import V4

REPOSITORY = sources.Repository(
    name="cowleygroup/V4_compact_models",
    commit="f4552ad9d34a466ebc66658f72a08a8e5038f1cf",
    pins=sources.RECORDED_PINS / "v4.txt",
    folder="v4",
    flat=True,
    licence="GPL-3.0 (the repository's)",
    citation=(
        "Cowley, B. R., Stan, P. L., Pillow, J. W. & Smith, M. A. Compact deep neural network models of the visual "
        "cortex. Nature (2026). doi:10.1038/s41586-026-10150-1; preprint: bioRxiv (2023), doi:10.1101/2023.11.22.568315"
    ),
)
FOLDER = "data_V4_responses"
WINDOW_MS = 100.0
"""Spikes were counted in one bin of this length (the repository's readme)."""
BLOCKS = {"210325": (80, ("bear", "elephant", "face", "car", "dog", "apple", "chair", "plane"))}
"""By session: the number of consecutive images of each object, and the objects in order, as judged from the images. No
labels were published, and those of other sessions are unknown."""


def acquire(entry: V4, params: Params, raw: Path) -> None:
    """Fetch images and responses of the session, unless the store has them, and write the common layout to `raw`.

    Raises
    ------
    DataError
        If there is no such session, its files cannot be fetched or differ from their pins, or the numbers of images and
        responses differ.
    """
    chosen = files_of(entry.session)
    n = fetch(github.items(REPOSITORY, list(chosen.values())))
    content = {name: blobs.blob_path(pin.digest) for name, pin in chosen.items()}
    counts, names = _counts(content["responses"], entry.session), _names(content["images"], entry.session)
    if len(names) != counts.shape[1]:
        raise DataError(f"v4, session {entry.session}: {len(names)} images for responses to {counts.shape[1]}")
    origin = Origin(
        f"V4, session {entry.session}",
        REPOSITORY.url,
        REPOSITORY.licence,
        REPOSITORY.citation,
        {pin.path: pin.digest for pin in chosen.values()},
    )
    with zipfile.ZipFile(content["images"]) as archive:
        layout.write(
            raw, _images(names, entry.session), _responses(counts, names, entry.session), archive.read, "v4", origin
        )
    print(f"acquire: V4, session {entry.session}: {counts.shape[0]} units, {len(names)} images; {n} files fetched")


def files_of(session: str) -> dict[str, sources.Pin]:
    """Return the pins of a session's ``images`` and ``responses``. Raises `DataError` if one was not published."""
    pins = {pin.path: pin for pin in github.pins(REPOSITORY)}
    paths = {
        "images": f"{FOLDER}/images/images_{session}.zip",
        "responses": f"{FOLDER}/responses_raw/responses_{session}.npy",
    }
    if missing := [name for name, path in paths.items() if path not in pins]:
        whole = [stem for stem in map(_session_of, pins) if f"{FOLDER}/images/images_{stem}.zip" in pins]
        raise DataError(
            f"v4: no {' and '.join(missing)} of session {session} were published; sessions with both are "
            f"{', '.join(sorted(set(whole)))}"
        )
    return {name: pins[path] for name, path in paths.items()}


def _session_of(path: str) -> str:
    return PurePosixPath(path).stem.rpartition("_")[2]


def _counts(path: Path, session: str) -> np.ndarray:
    """Return the spike counts, (n_units, n_images, n_repeats); NaN where an image has fewer repeats."""
    try:
        counts = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"v4, session {session}: responses cannot be read ({error})") from error
    if counts.ndim != 3:
        raise DataError(f"v4, session {session}: responses have {counts.ndim} axes, not units x images x repeats")
    return counts


def _names(path: Path, session: str) -> list[str]:
    """Return the names of the images in the archive, in the order of the responses, that is by number."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sorted(name for name in archive.namelist() if name.endswith(".jpg"))
    except zipfile.BadZipFile as error:
        raise DataError(f"v4, session {session}: images are no zip archive ({error})") from error


def _images(names: list[str], session: str) -> pd.DataFrame:
    """Return the table of images; their category is known only for the sessions in `BLOCKS`."""
    length, objects = BLOCKS.get(session, (len(names), ("",)))
    category = np.repeat(objects, length)
    stems = [PurePosixPath(name).stem for name in names]
    return pd.DataFrame({"image_id": stems, "file": names, "category": category, "object": "", "group": ""})


def _responses(counts: np.ndarray, names: list[str], session: str) -> Responses:
    """Return the rates of all presentations, image by image; presentations that lack any unit are left out."""
    shown = np.isfinite(counts).all(axis=0)  # (n_images, n_repeats)
    if (part := np.isfinite(counts).any(axis=0) & ~shown).any():
        print(f"acquire: {int(part.sum())} presentations lack responses of some units and are left out")
    image, repeat = np.nonzero(shown)
    units = counts.shape[0]
    monkey = _monkey(session)
    return Responses(
        rates=(counts[:, image, repeat].T / (WINDOW_MS / 1e3)).astype(np.float32),
        image_ids=np.array([PurePosixPath(names[k]).stem for k in image]),
        repetitions=np.concatenate([np.arange(n) for n in shown.sum(axis=1)]),
        unit_ids=np.array([f"{k + 1:03d}" for k in range(units)]),
        subjects=np.full(units, monkey),
        regions=np.full(units, "V4"),
        recordings=np.full(units, f"{monkey}{session}"),
        window_ms=WINDOW_MS,
    )


def _monkey(session: str) -> str:
    """Return the monkey of a session by its date (the repository's readme)."""
    return "WE" if session < "20" else "PE" if session < "2106" else "RA"
