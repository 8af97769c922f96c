"""Classification scores of a model."""

import math

import numpy as np
import pandas as pd
import torch
from scipy.special import ndtri

from analysis.models.data import SPLITS, Examples
from analysis.models.network import Network
from analysis.models.train import training


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of the proportion of `hits` in `n` (Wilson 1927)."""
    # Same as scipy.stats.binomtest, whose module takes as long to load as a small model takes to train.
    z, p = float(ndtri(0.975)), hits / n
    denominator = 2 * (n + z**2)
    centre = (2 * n * p + z**2) / denominator
    half = z / denominator * math.sqrt(4 * n * p * (1 - p) + z**2)
    return 0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half


def classify(network: Network, x: torch.Tensor, examples: Examples, device: str) -> pd.DataFrame:
    """Return the `predictions` of a network on `device` for its inputs (n_images, ...)."""
    at_once = {} if network.at_once is None else {"batch": network.at_once}
    logits = torch.cat([training.scores(network, part.to(device), **at_once).cpu() for part in x.split(512)])
    return predictions(examples, logits.numpy())


def predictions(examples: Examples, logits: np.ndarray) -> pd.DataFrame:
    """Return stem, split, label, predicted class and score of every image, from logits (n_images, classes).

    The score is the probability of the second of two classes (face), or of the predicted one of more.
    """
    logits = logits.astype(np.float64)
    names = np.array([*examples.classes, ""])  # the last for label -1
    called = logits.argmax(1)
    of = called if len(examples.classes) > 2 else np.ones_like(called)
    others = logits - np.take_along_axis(logits, of[:, None], 1)
    return pd.DataFrame(
        {
            "stem": examples.table["stem"],
            "split": examples.split,
            "label": names[examples.label],
            "predicted": names[called],
            "score": np.round(1 / np.exp(others).sum(1), 6),
        }
    )


def accuracy(table: pd.DataFrame) -> dict[str, dict]:
    """Return n, accuracy with its 95 % Wilson interval, and balanced accuracy (mean of the classes) by split.

    Rows of `table` (split, label, predicted) without a label or split are left out.
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
