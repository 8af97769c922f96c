"""Kriegeskorte et al. (2008): 92 images, and their dissimilarities in monkey and human inferior temporal cortex.

Published with rsatoolbox as MATLAB files, without single-unit responses or repeats.
"""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.io import loadmat

from analysis.acquire.real import blobs, github, sources
from analysis.acquire.real.download import fetch
from analysis.acquire.recorded import layout
from analysis.core.errors import DataError
from analysis.params import Params
from analysis.params.recorded import Kriegeskorte92

FOLDER = "demos/92imageData"
SUPPLEMENT, SUBJECTS = f"{FOLDER}/Kriegeskorte_Neuron2008_supplementalData.mat", f"{FOLDER}/92_brainRDMs.mat"
REPOSITORY = sources.Repository(
    name="rsagroup/rsatoolbox",
    commit="f1f83cadb7243492a1aae7460466e0f0140b20ac",
    pins=sources.RECORDED_PINS / "kriegeskorte92.txt",
    folder="",
    flat=True,
    licence="MIT, of the repository; rights in single images may be their makers'",
    citation=(
        "Kriegeskorte, N., Mur, M., Ruff, D. A., Kiani, R., Bodurka, J., Esteky, H., Tanaka, K. & Bandettini, P. A. "
        "Matching categorical object representations in inferior temporal cortex of man and monkey. Neuron 60, "
        "1126-1141 (2008). doi:10.1016/j.neuron.2008.10.043"
    ),
)
SYSTEMS = {"mIT_674neurons": "monkey IT", "hITvisStim_316vx": "human IT"}
"""Names of the two RDMs of the paper's Figure 1, in the file and here."""
CATEGORIES = {"bodypart": "body part", "face": "face", "inanimate": "object"}
"""Categories by the last word of their published names; the first word (human, natural ...) is in ``object``."""
ADVICE = "run python -m analysis store verify; if it removes nothing, restore the pins from git"


def acquire(entry: Kriegeskorte92, params: Params, raw: Path) -> None:
    """Fetch the two files into the store, and write images and dissimilarities to `raw`.

    Raises
    ------
    DataError
        If the files cannot be fetched, differ from their pins, or lack a variable.
    """
    fetch(github.items(REPOSITORY))
    pins = {pin.path: pin.digest for pin in github.pins(REPOSITORY)}
    images, dissimilarities, pictures = read(*(blobs.blob_path(pins[name]) for name in (SUPPLEMENT, SUBJECTS)))
    origin = layout.Origin(
        "92 images, monkey and human IT", REPOSITORY.url, REPOSITORY.licence, REPOSITORY.citation, pins
    )
    layout.write(raw, images, dissimilarities, pictures.__getitem__, entry.source, origin)


def read(supplement: Path, subjects: Path) -> tuple[pd.DataFrame, layout.Dissimilarities, dict[str, bytes]]:
    """Read the images and their dissimilarities.

    Parameters
    ----------
    supplement : Path
        Images with their categories, and the RDMs of monkey IT (674 neurons of 2 monkeys) and of human IT.
    subjects : Path
        RDMs of human IT, 4 subjects x 2 sessions.

    Returns
    -------
    images : DataFrame
        Columns `layout.IMAGES`.
    dissimilarities : Dissimilarities
        Monkey IT, human IT, and each human subject (mean of the sessions).
    pictures : dict from file name to PNG

    Raises
    ------
    DataError
        If a file is not a MATLAB file, or lacks a variable or field.
    """
    shown = _variable(supplement, "stimuli_92objs")
    published = _variable(supplement, "RDMs_mIT_hIT_fig1")
    sessions = _variable(subjects, "RDMs")  # (n_subjects, n_sessions)
    try:
        rows, pictures = [], {}
        for number, one in enumerate(shown, 1):
            kind, what = str(one["category"]).split()
            name = f"{number:02}_{kind}_{what}"
            rows.append([name, f"{name}.png", CATEGORIES[what], kind, ""])
            pictures[f"{name}.png"] = _png(one["image"])
        images = pd.DataFrame(rows, columns=layout.IMAGES)
        named = {SYSTEMS[str(one["name"])]: np.asarray(one["RDM"], float) for one in published}
        for subject in sessions:
            initials = str(subject[0]["name"]).split("|")[1].strip()
            pairs = np.triu_indices(len(rows), 1)
            means = np.mean([np.asarray(one["RDM"], float)[pairs] for one in subject], axis=0)
            named[f"human IT{layout.SUBJECT}{initials}"] = means
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise DataError(f"{supplement} or {subjects}: unexpected layout ({error}); {ADVICE}") from error
    data = layout.Dissimilarities(
        np.stack(list(named.values())), np.array(list(named)), images["image_id"].to_numpy(str)
    )
    return images, data, pictures


def _variable(path: Path, name: str) -> np.ndarray:
    try:
        return loadmat(path, squeeze_me=True, variable_names=[name])[name]
    except KeyError as error:
        raise DataError(f"{path}: no variable {name}; {ADVICE}") from error
    except Exception as error:  # loadmat raises many exceptions on damaged files
        raise DataError(f"{path}: not a readable MATLAB file ({error}); {ADVICE}") from error


def _png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(out, "PNG")
    return out.getvalue()
