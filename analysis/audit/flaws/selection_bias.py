"""Selection bias: nested selection versus selection on the test images, over random splits."""

import numpy as np
import pandas as pd

from analysis.audit.protocol_steps import small_networks
from analysis.core.parallel import map_threads
from analysis.core.seeds import seed_of
from analysis.statistics.inference import percentile_interval
from analysis.stimuli.splits import split_groups

COLUMNS = ["split", "n_test", "mean", "nested", "non_nested", "optimism"]


def measure_optimism(
    pool: small_networks.Pool,
    label: np.ndarray,
    groups: np.ndarray,
    *,
    validation: float,
    test: float,
    splits: int,
    seed: int,
) -> pd.DataFrame:
    """Select among candidates on validation images and on the test images themselves, over random splits.

    Parameters
    ----------
    pool : small_networks.Pool
    label : (n_images,) int
        1 face, 0 non-face, -1 not used.
    groups : (n_images,) int
        Near-duplicate group; a group is never divided between splits.
    validation, test : float
        Shares of the groups.
    splits, seed : int

    Returns
    -------
    DataFrame
        One row per split: split, n_test, mean (test accuracy over all candidates), nested (test accuracy of the
        candidate that does best on validation images), non_nested (of the one that does best on the test images),
        optimism (non_nested - nested).
    """
    used = np.flatnonzero(label >= 0)

    def row_of(number: int) -> dict:
        split_seed = seed_of(seed, "selection", number)
        split = split_groups(groups[used], label[used].astype(str), validation, test, split_seed)
        train, held_out, tested = (used[split == name] for name in ("train", "validation", "test"))
        candidates = pool.trained(label, train, "selection", number)
        on_test = [small_networks.accuracy(candidate, label, tested) for candidate in candidates]
        chosen = small_networks.best(candidates, label, held_out)
        nested = small_networks.accuracy(chosen, label, tested)
        return {
            "split": number,
            "n_test": len(tested),
            "mean": float(np.mean(on_test)),
            "nested": nested,
            "non_nested": max(on_test),
            "optimism": max(on_test) - nested,
        }

    return pd.DataFrame(map_threads(row_of, range(splits), progress="selection"), columns=COLUMNS)


def summarise(table: pd.DataFrame, seed: int) -> dict:
    """Return means over splits, and a bootstrap interval (over splits) of the mean optimism; empty without splits."""
    if table.empty:
        return {}
    values = table["optimism"].to_numpy()
    rng = np.random.default_rng(seed_of(seed, "selection", "bootstrap"))
    draws = rng.choice(values, (2000, len(values))).mean(axis=1)
    low, high = percentile_interval(draws)
    return {
        "splits": len(table),
        **{name: float(table[name].mean()) for name in ("mean", "nested", "non_nested", "optimism")},
        "optimism_low": low,
        "optimism_high": high,
    }
