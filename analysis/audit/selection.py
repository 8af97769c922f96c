"""The optimism of selecting on the test images: nested against non-nested selection over random splits."""

import numpy as np
import pandas as pd

from analysis.audit import networks
from analysis.core.progress import track
from analysis.core.seeds import seed_of
from analysis.statistics.inference import percentile_interval
from analysis.stimuli.splits import split_groups

COLUMNS = ["split", "n_test", "mean", "nested", "non_nested", "optimism"]


def optimism(
    pool: networks.Pool,
    label: np.ndarray,
    groups: np.ndarray,
    *,
    validation: float,
    test: float,
    splits: int,
    seed: int,
) -> pd.DataFrame:
    """Select among the pool's candidates on the test images, and on images apart, over random splits.

    Parameters
    ----------
    pool : networks.Pool
    label : (n_images,) int
        1 face, 0 non-face, -1 not used.
    groups : (n_images,) int
        Near-duplicate group, never split.
    validation, test : float
        Shares of the groups.
    splits, seed : int

    Returns
    -------
    DataFrame
        One row per split: split, n_test, mean (test accuracy over all candidates), nested (test accuracy of the best
        on validation images), non_nested (of the best on the test images), optimism (their difference).
    """
    used = np.flatnonzero(label >= 0)
    rows = []
    for number in track(range(splits), "selection"):
        part = split_groups(groups[used], label[used].astype(str), validation, test, seed_of(seed, "selection", number))
        train, held, tested = (used[part == name] for name in ("train", "validation", "test"))
        candidates = pool.trained(label, train, "selection", number)
        on_test = [networks.accuracy(one, label, tested) for one in candidates]
        nested = networks.accuracy(networks.best(candidates, label, held), label, tested)
        rows.append(
            {
                "split": number,
                "n_test": len(tested),
                "mean": float(np.mean(on_test)),
                "nested": nested,
                "non_nested": max(on_test),
                "optimism": max(on_test) - nested,
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def summary(table: pd.DataFrame) -> dict:
    """Return means over splits, and the interval of the mean optimism (bootstrap of splits); empty without splits."""
    if table.empty:
        return {}
    values = table["optimism"].to_numpy()
    draws = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    low, high = percentile_interval(draws)
    return {
        "splits": len(table),
        **{name: float(table[name].mean()) for name in ("mean", "nested", "non_nested", "optimism")},
        "optimism_low": low,
        "optimism_high": high,
    }
