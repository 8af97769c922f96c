"""Unit scores summarised by layer and area."""

import numpy as np
import pandas as pd

from analysis.compare.read import LAYERS
from analysis.core.areas import AREAS
from analysis.core.seeds import seed_of
from analysis.neural import scoring
from analysis.params import Compare
from analysis.params.protocol import Protocol
from analysis.statistics.inference import bootstrap_interval


def layer_table(units: pd.DataFrame, rules: Protocol, settings: Compare, seed: int) -> pd.DataFrame:
    """Summarise unit scores by layer and area, with hierarchical bootstrap intervals.

    Monkeys are resampled where there are 6 or more, else recordings where there are 6 or more; with fewer the interval
    is about these recordings, and units are resampled.
    """
    rows = [
        {"layer": layer, "region": region, **_summarise(scores, region, rules, settings, seed)}
        for (layer, region), scores in units.groupby(["layer", "region"], sort=False)
    ]
    table = pd.DataFrame(rows).assign(model=units["model"].iloc[0], protocol=units["protocol"].iloc[0])
    depth = {layer: number for number, layer in enumerate(dict.fromkeys(units["layer"]))}
    order = table["layer"].map(depth) * len(AREAS) + table["region"].map(AREAS.index)
    return table.iloc[np.argsort(order, kind="stable")][LAYERS]


def _summarise(units: pd.DataFrame, region: str, rules: Protocol, settings: Compare, seed: int) -> dict:
    """Return the summary of one layer's scores in one area."""
    r2 = bootstrap_interval(
        units["r2"].to_numpy(),
        scoring.AGGREGATION[rules.aggregation],
        [units["subject"].to_numpy(), units["recording"].to_numpy()],
        n_draws=settings.bootstrap,
        seed=seed_of(seed, "layers", region),
        limits=(-np.inf, 1.0),
    )
    return {
        "n_units": int(units["r2"].notna().sum()),
        "median_r2": r2.estimate,
        "ci_low": r2.low,
        "ci_high": r2.high,
        "median_pearson_r": scoring.median(units["pearson_r"].to_numpy()),
        "median_ceiling": scoring.median(units["ceiling"].to_numpy()),
        "median_ev_normalised": scoring.median(units["ev_normalised"].to_numpy()),
    }
