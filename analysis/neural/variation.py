"""Levels of variation of the images, and how accurate decisions on the task are at each.

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
BALANCED, CALLED, CORRECT = "balanced accuracy", "called face", "called correctly"


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


def score_levels(called: np.ndarray, labels: np.ndarray, levels: pd.DataFrame, classes: int = 2) -> list[dict]:
    """Score decisions at every level of every factor.

    Parameters
    ----------
    called : (n_images,) int or bool
        Class that an image was called: 1, or True, a face.
    labels : (n_images,) int
        Number of the class (1 face, 0 non-face), -1 unlabelled.
    levels : (n_images, n_factors) DataFrame
        As from `assign_levels`, for these images.
    classes : int
        Number of classes.

    Returns
    -------
    list of dict
        factor, level, n, measure, score. For a level with faces and non-faces, the balanced accuracy over its n
        labelled images; otherwise the fraction of its n images called a face (hits for faces, false alarms for
        objects). Of more than two classes, the balanced accuracy over those that occur at the level, or the fraction
        called correctly where it is a single one. The first row is over all labelled images.
    """
    overall = pd.DataFrame({"all": "all"}, index=levels.index)
    rows = []
    for factor, column in [*overall.items(), *levels.items()]:
        for level in sorted(set(column) - {""}):
            at_level = (column == level).to_numpy()
            correct = [called[at_level & (labels == label)] == label for label in range(classes)]
            present = [hits for hits in correct if len(hits)]
            if len(present) == classes or (classes > 2 and present):
                n, score = sum(map(len, present)), np.mean([hits.mean() for hits in present])
                measure = BALANCED if len(present) > 1 else CORRECT
            elif classes == 2:
                n, measure, score = int(at_level.sum()), CALLED, called[at_level].mean()
            else:  # none of its images has a label
                continue
            rows.append({"factor": factor, "level": level, "n": n, "measure": measure, "score": float(score)})
    return rows
