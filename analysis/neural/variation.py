"""Levels of variation of the images, and how accurate face / non-face decisions are at each.

The published outlines give an image's category and, for primate faces, whether the scene is cluttered or the face
inverted. Pose and clutter of every image are known only for simulated scenes (``data/raw/truth/scenes.csv``: ``pose``,
rotation of the head or object about its vertical axis in radians, to either side; ``clutter``, fraction of the possible
shapes behind it); both are divided into thirds over the available images.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.core import paths
from analysis.core.reading import read_csv

THIRDS = np.array(["low", "middle", "high"])
BALANCED, CALLED = "balanced accuracy", "called face"


def assign_levels(table: pd.DataFrame, scenes: Path = paths.TRUTH / "scenes.csv") -> pd.DataFrame:
    """Return the level of each image in every known factor.

    Parameters
    ----------
    table : DataFrame
        images.csv.
    scenes : path
        Table of the simulated scenes; need not exist.

    Returns
    -------
    DataFrame
        Indexed by stem, one column per factor (category; pose, clutter, orientation); empty string where unknown.
    """
    images = table.set_index("stem")
    category, label = images["category"].astype(str), images["label"]
    levels = {"category": category.where(category != "none", label.map({"non-face": "object"}).fillna("unlabelled"))}
    if scenes.is_file():
        levels |= _scene_levels(images.index, scenes)
    else:
        primate = category.str.contains("primate_face")
        cluttered, inverted = category.str.contains("clutter"), category.str.contains("inverted")
        if cluttered.any():
            levels["clutter"] = pd.Series(np.where(cluttered, "high", "low"), images.index).where(primate, "")
        if inverted.any():
            levels["orientation"] = pd.Series(np.where(inverted, "inverted", "upright"), images.index).where(
                primate, ""
            )
    return pd.DataFrame(levels, index=images.index)


def _scene_levels(stems: pd.Index, path: Path) -> dict[str, pd.Series]:
    scenes = read_csv(path, "run the stage acquire", ["stem", "pose", "clutter"], ["stem"])
    scenes = scenes.drop_duplicates("stem").set_index("stem").reindex(stems)
    levels = {}
    for factor, strength in (("pose", scenes["pose"].abs()), ("clutter", scenes["clutter"])):
        edges = strength.quantile([1 / 3, 2 / 3]).to_numpy()
        third = THIRDS[np.searchsorted(edges, strength.to_numpy(float), side="right").clip(0, 2)]
        levels[factor] = pd.Series(third, stems).where(strength.notna(), "")
    return levels


def score_levels(called: np.ndarray, labels: np.ndarray, levels: pd.DataFrame) -> list[dict]:
    """Score decisions at every level of every factor.

    Parameters
    ----------
    called : (n_images,) bool
        Whether an image was called a face.
    labels : (n_images,) int
        1 face, 0 non-face, -1 neither.
    levels : (n_images, n_factors) DataFrame
        As from `assign_levels`, for these images.

    Returns
    -------
    list of dict
        factor, level, n, measure, score. For a level with faces and non-faces, the balanced accuracy over its n
        labelled images; otherwise the fraction of its n images called a face (hits for faces, false alarms for
        objects). The first row is over all labelled images.
    """
    overall = pd.DataFrame({"all": "all"}, index=levels.index)
    rows = []
    for factor, column in [*overall.items(), *levels.items()]:
        for level in sorted(set(column) - {""}):
            at_level = (column == level).to_numpy()
            correct = [called[at_level & (labels == label)] == bool(label) for label in (0, 1)]
            if all(map(len, correct)):
                n, measure, score = sum(map(len, correct)), BALANCED, np.mean([hits.mean() for hits in correct])
            else:
                n, measure, score = int(at_level.sum()), CALLED, called[at_level].mean()
            rows.append({"factor": factor, "level": level, "n": n, "measure": measure, "score": float(score)})
    return rows
