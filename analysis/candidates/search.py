"""Three searches of single modules, and how their performance goes with their predictivity."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.candidates.judge import IT
from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.models.yamins_hmo import space as hmo_space
from analysis.models.yamins_hmo.ask_tell import Told, minimise
from analysis.params import Params
from analysis.statistics.inference import percentile_interval

KINDS: dict[str, tuple[str, Callable[[dict], float]]] = {
    "random": ("random", lambda scores: 0.0),
    "performance": ("tpe", lambda scores: scores["training_error"]),
    "predictivity": ("tpe", lambda scores: -(scores["training_r"] or 0.0)),
}
"""How candidates of a kind are drawn, and what is made small: of training images, out of fold."""
ALL = "all"
CANDIDATES = ["kind", "number", "depth", "filters", "training_error", "training_r", "accuracy", "failed"]
PREDICTIVITY = ["kind", "number", "accuracy", "region", "n_units", "median_r", "median_ev_normalised"]
CORRELATIONS = ["kind", "region", "candidates", "r", "ci_low", "ci_high"]


def search(params: Params, run: Callable, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run the three searches and return the tables `CANDIDATES` and `PREDICTIVITY`.

    Parameters
    ----------
    run : function of (method, tasks)
        Of `parallel.process_pool`, on a `Judge`.
    folder : path
        Keeps the journals.

    Raises
    ------
    DataError
        If no candidate of a kind could be computed.
    """
    values, entry = params.candidates, params.models.entry(params.candidates.model)
    candidates, predictivity = [], []
    for kind, (sampler, loss) in KINDS.items():
        seed = seed_of(params.seed, "candidates", kind)

        def evaluate(asked, seed=seed, loss=loss):
            found = run(_judge, [(number, theta, seed) for number, theta in asked])
            return [
                Told(None, scores["failed"]) if "failed" in scores else Told(loss(scores), notes=scores)
                for scores in found
            ]

        tried = minimise(
            lambda trial: hmo_space.module(trial, values.n_filt, entry.k_filt),
            evaluate,
            candidates=values.candidates,
            batch=values.candidates if sampler == "random" else values.batch,
            sampler=sampler,
            seed=seed,
            journal=folder / f"{kind}.journal",
        )
        if all(one.told.failed for one in tried):
            raise DataError(f"candidates: none of {len(tried)} could be computed ({tried[0].told.failed})")
        for one in tried:
            scores, layers = one.told.notes, one.values["layers"]
            about = {"kind": kind, "number": one.number, "failed": one.told.failed}
            about |= {"depth": len(layers), "filters": layers[-1]["n_filt"]}
            candidates.append(about | {name: scores.get(name) for name in CANDIDATES if name not in about})
            predictivity += [
                about | {"region": region, "accuracy": scores["accuracy"]} | found
                for region, found in scores.get("areas", {}).items()
            ]
        print(f"candidates: {kind}, {len(tried)} candidates", flush=True)
    return pd.DataFrame(candidates, columns=CANDIDATES), pd.DataFrame(predictivity, columns=PREDICTIVITY)


def _judge(judge, number: int, values: dict, seed: int) -> dict:
    return judge(number, values, seed)


def correlations(table: pd.DataFrame, n_draws: int, seed: int) -> pd.DataFrame:
    """Correlate accuracy with predictivity over candidates, by kind of search (and all) and area (and `IT`).

    Parameters
    ----------
    table : `PREDICTIVITY`
    n_draws, seed : int
        Bootstrap draws of candidates, for a percentile interval, and their seed.

    Returns
    -------
    table `CORRELATIONS`
        r is Pearson's; empty where fewer than three candidates are defined or one of the two does not vary.
    """
    rows = []
    for kind in [*dict.fromkeys(table["kind"]), ALL]:
        for region in [area for area in (*AREAS, IT) if (table["region"] == area).any()]:
            part = table[(table["region"] == region) & ((table["kind"] == kind) | (kind == ALL))]
            part = part[part["median_ev_normalised"].notna() & part["accuracy"].notna()]
            x, y = part["accuracy"].to_numpy(float), part["median_ev_normalised"].to_numpy(float)
            rng = np.random.default_rng(seed_of(seed, kind, region))
            draws = [_pearson(x[k], y[k]) for k in rng.integers(len(x), size=(n_draws, len(x)))] if len(x) else []
            # On Fisher's scale, so that a stretched interval stays between -1 and 1.
            scaled = np.arctanh(np.clip(draws, 1e-9 - 1, 1 - 1e-9))
            low, high = np.tanh(percentile_interval(scaled, n=len(x)))
            rows.append(dict(zip(CORRELATIONS, (kind, region, len(x), _pearson(x, y), low, high), strict=True)))
    return pd.DataFrame(rows, columns=CORRELATIONS)


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return float(np.corrcoef(x, y)[0, 1])
