"""Unit scores summarised by layer and area."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from analysis.compare.read import LAYERS, SCORES
from analysis.compare.unit_scores import Predicted
from analysis.core.areas import AREAS, IT
from analysis.core.parallel import map_processes
from analysis.core.seeds import seed_of
from analysis.neural import scoring
from analysis.params import Compare
from analysis.params.protocol import Protocol
from analysis.statistics.ceilings import noise_corrected
from analysis.statistics.inference import fdr, predictivity_draws

ALPHA = 0.05
"""False discovery rate at which units count as predicted above chance, among all units of an area."""


def layer_table(
    units: pd.DataFrame,
    predicted: Sequence[Predicted],
    reductions: dict[str, str],
    rules: Protocol,
    settings: Compare,
    seed: int,
) -> pd.DataFrame:
    """Summarise unit scores by layer and area.

    Intervals are about these recordings: images and units are drawn within each, with predictions held fixed. If a
    protocol uses a single split, r2 is the median over many such splits, and its interval covers 95 % of them.

    Parameters
    ----------
    units : DataFrame
        Rows of `unit_scores.unit_rows`.
    predicted : sequence of Predicted
        Predictions of all populations.
    reductions : dict from layer to str
        How activations were reduced to features.
    rules : Protocol
        Its field `aggregation` is used.
    settings : Compare
    seed : int
    """

    def row_of(group: tuple[tuple[str, str], pd.DataFrame]) -> dict:
        (layer, region), scores = group
        of_area = [one for one in predicted if one.measured.population.region == region]
        row = {"layer": layer, "region": region, "reduction": reductions.get(layer, "")}
        here = seed_of(seed, "layers", region)
        return row | summarise(of_area, layer, scores.to_dict("records"), rules, settings, here)

    rows = map_processes(row_of, units.groupby(["layer", "region"], sort=False), "layers by area")
    table = pd.DataFrame(rows).assign(model=units["model"].iloc[0], protocol=units["protocol"].iloc[0])
    depth = {layer: number for number, layer in enumerate(dict.fromkeys(units["layer"]))}
    place = {area: number for number, area in enumerate((*AREAS, IT))}
    order = table["layer"].map(depth) * len(place) + table["region"].map(place)
    return table.iloc[np.argsort(order, kind="stable")][LAYERS]


def summarise(
    predicted: list[Predicted], layer: str, units: list[dict], rules: Protocol, settings: Compare, seed: int
) -> dict:
    """Return the summary of one layer's scores in one area, from its predictions and the scores of its units."""
    aggregate = scoring.AGGREGATION[rules.aggregation]
    scores = {name: np.array([unit[name] for unit in units], dtype=float) for name in (*SCORES, "p_chance", "ceiling")}
    row = {"n_units": int(np.isfinite(scores["r"]).sum())}
    for name, score, corrected in (("r_corrected", "r", True), ("r2", "r2", False)):
        if score == "r2" and all(one.single for one in predicted):
            row |= zip((name, f"{name}_low", f"{name}_high"), over_splits(predicted, layer, aggregate), strict=True)
            continue
        interval = predictivity_draws(
            [one.of(layer, corrected) for one in predicted],
            score,
            by_row(aggregate),
            n_draws=settings.bootstrap,
            seed=seed,
        ).interval()
        # Undefined where the median unit has no positive reliability.
        known = not corrected or np.isfinite(aggregate(noise_corrected(scores["r"], scores["ceiling"])))
        high = min(interval.high, 1.0) if score == "r2" else interval.high  # r2 cannot exceed 1
        ends = (interval.estimate, interval.low, high) if known else (np.nan,) * 3
        row |= zip((name, f"{name}_low", f"{name}_high"), ends, strict=True)
    for name in ("r", "r_pls_yamins", "r_pls_report", "ceiling"):
        row[name] = aggregate(scores[name])
    p = scores["p_chance"]
    above = fdr(p, ALPHA)[0]
    return row | {"above_chance": float(above[np.isfinite(p)].mean()) if np.isfinite(p).any() else np.nan}


def over_splits(predicted: list[Predicted], layer: str, aggregate: Callable) -> tuple[float, float, float]:
    """Return the median over random splits of the units' summary, and the central range with 95 % of the splits."""
    by_split = [aggregate(row) for row in np.concatenate([one.r2(layer) for one in predicted], axis=1)]
    defined = [value for value in by_split if np.isfinite(value)]
    if not defined:
        return (np.nan,) * 3
    low, middle, high = np.quantile(defined, [0.025, 0.5, 0.975])
    return float(middle), float(low), float(high)


def by_row(aggregate: Callable) -> str | Callable:
    """Return a summary of units in the form that `predictivity_draws` takes."""
    if aggregate is scoring.median:
        return "median"
    return lambda rows: np.array([aggregate(row) for row in rows])
