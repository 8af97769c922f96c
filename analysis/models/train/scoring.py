"""How well a model tells faces from other images."""

import math

import numpy as np
import pandas as pd

from analysis.models.data import CLASSES, SPLITS, Examples


def wilson(hits: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Return the Wilson score interval (95 % by default) of a proportion of `hits` in `n`.

    Wilson, E. B. (1927), J. Am. Stat. Assoc. 22, 209-212.
    """
    share, correction = hits / n, z * z / n
    centre = (share + correction / 2) / (1 + correction)
    half = z / (1 + correction) * math.sqrt(share * (1 - share) / n + correction / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def predictions(examples: Examples, logits: np.ndarray) -> pd.DataFrame:
    """Return one row per image: stem, split, label, predicted class and score = P(face).

    Parameters
    ----------
    logits : array (n_images, 2), non-face and face
    """
    logits = logits.astype(np.float64)
    names = np.array([*CLASSES, ""])  # the last for label -1
    return pd.DataFrame(
        {
            "stem": examples.table["stem"],
            "split": examples.split,
            "label": names[examples.label],
            "predicted": names[(logits[:, 1] > logits[:, 0]).astype(int)],
            "score": np.round(1 / (1 + np.exp(logits[:, 0] - logits[:, 1])), 6),
        }
    )


def accuracy(table: pd.DataFrame) -> dict[str, dict]:
    """Return per split: n, accuracy with its 95 % Wilson interval, balanced accuracy (mean over the two classes).

    Parameters
    ----------
    table : columns split, label, predicted; rows without a label or split do not count
    """
    result = {}
    for split in SPLITS:
        rows = table[(table["split"] == split) & (table["label"] != "")]
        if rows.empty:
            continue
        hit = rows["label"] == rows["predicted"]
        low, high = wilson(int(hit.sum()), len(rows))
        result[split] = {
            "n": len(rows),
            "accuracy": float(hit.mean()),
            "accuracy_low": low,
            "accuracy_high": high,
            "balanced_accuracy": float(hit.groupby(rows["label"]).mean().mean()),
        }
    return result
