"""Levels of variation of the images, and how well a face / non-face decision does at each.

What is published of an image are its outlined regions: from them come the category, and for primate faces whether the
scene is cluttered or the face upside down. Pose and clutter of every image are known of simulated scenes alone
(``data/raw/truth/scenes.csv``: ``pose`` the turn of the head or object about its vertical axis in radians,
either way; ``clutter`` the share of the possible shapes behind it), which fall into thirds of the images at hand.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.core import paths
from analysis.core.errors import DataError

THIRDS = np.array(["low", "middle", "high"])
BALANCED, CALLED = "balanced accuracy", "called face"


def factors(table: pd.DataFrame, scenes: Path = paths.TRUTH / "scenes.csv") -> pd.DataFrame:
    """Return the level of each image in every factor that the data at hand know.

    Parameters
    ----------
    table : DataFrame
        images.csv.
    scenes : path
        Of the simulated scenes; need not exist.

    Returns
    -------
    DataFrame
        Indexed by stem, a column per factor (category; pose, clutter, orientation); empty text where unknown.
    """
    images = table.set_index("stem")
    category, label = images["category"].astype(str), images["label"]
    found = {"category": category.where(category != "none", label.map({"non-face": "object"}).fillna("unlabelled"))}
    if scenes.is_file():
        found |= _of_scenes(images.index, scenes)
    else:
        primate = category.str.contains("primate_face")
        cluttered, inverted = category.str.contains("clutter"), category.str.contains("inverted")
        if cluttered.any():
            found["clutter"] = pd.Series(np.where(cluttered, "high", "low"), images.index).where(primate, "")
        if inverted.any():
            found["orientation"] = pd.Series(np.where(inverted, "inverted", "upright"), images.index).where(primate, "")
    return pd.DataFrame(found, index=images.index)


def _of_scenes(stems: pd.Index, path: Path) -> dict[str, pd.Series]:
    scenes = pd.read_csv(path, dtype={"stem": str})
    if missing := {"stem", "pose", "clutter"} - set(scenes):
        raise DataError(f"{path} has no column {min(missing)}: run the stage acquire again")
    scenes = scenes.drop_duplicates("stem").set_index("stem").reindex(stems)
    found = {}
    for name, values in (("pose", scenes["pose"].abs()), ("clutter", scenes["clutter"])):
        edges = values.quantile([1 / 3, 2 / 3]).to_numpy()
        third = THIRDS[np.searchsorted(edges, values.to_numpy(float), side="right").clip(0, 2)]
        found[name] = pd.Series(third, stems).where(values.notna(), "")
    return found


def scores(called: np.ndarray, labels: np.ndarray, levels: pd.DataFrame) -> list[dict]:
    """Score decisions at every level of every factor.

    Parameters
    ----------
    called : (n_images,) bool
        Whether an image was called a face.
    labels : (n_images,) int
        1 face, 0 non-face, -1 neither.
    levels : (n_images, n_factors) DataFrame
        As `factors` gives it, for these images.

    Returns
    -------
    list of dict
        factor, level, n, measure, score. Where a level has faces and non-faces, the balanced accuracy over those (n of
        them); else the share called face (right for faces, wrong for objects, telling for pareidolia). The first row
        is over all labelled images.
    """
    everything = pd.DataFrame({"all": "all"}, index=levels.index)
    rows = []
    for factor, column in [*everything.items(), *levels.items()]:
        for level in sorted(set(column) - {""}):
            here = (column == level).to_numpy()
            shares = [(called[here & (labels == value)] == bool(value)) for value in (0, 1)]
            if all(map(len, shares)):
                n, measure, score = sum(map(len, shares)), BALANCED, np.mean([share.mean() for share in shares])
            else:
                n, measure, score = int(here.sum()), CALLED, called[here].mean()
            rows.append({"factor": factor, "level": level, "n": n, "measure": measure, "score": float(score)})
    return rows
