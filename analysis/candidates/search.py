"""Three searches over single modules: random, for performance, and for predictivity."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.models.yamins_hmo import space as hmo_space
from analysis.models.yamins_hmo.ask_tell import Told, minimise
from analysis.params import Params

KINDS: dict[str, tuple[str, Callable[[dict], float]]] = {
    "random": ("random", lambda scores: 0.0),
    "performance": ("tpe", lambda scores: scores["training_error"]),
    "predictivity": ("tpe", lambda scores: -(scores["training_r"] or 0.0)),
}
"""Sampler of each kind of search, and the loss that it minimises (out of fold, on training images)."""
CANDIDATES = ["kind", "number", "depth", "filters", "training_error", "training_r", "accuracy", "failed"]
PREDICTIVITY = ["kind", "number", "accuracy", "region", "n_units", "median_r", "median_corrected_r"]
CORRELATIONS = ["region", "candidates", "r", "ci_low", "ci_high", "over_v1", "over_v1_low", "over_v1_high"]
RANDOM_BATCH = 20
"""Number of random candidates computed before the first of them is written to the journal."""
SEARCHES = [
    "kind", "candidates", "number", "accuracy", "accuracy_rank", "region", "median_corrected_r", "predictivity_rank",
]  # fmt: skip


def search(params: Params, run: Callable, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, list[Path]]:
    """Run the three searches; return the tables `CANDIDATES` and `PREDICTIVITY`, and the random candidates' files.

    Parameters
    ----------
    run : function of (method, tasks)
        From `parallel.process_pool`, with a `Judge` as the shared object.
    folder : path
        Folder for the journals, and for a file of predictions per random candidate (`Judge`).

    Raises
    ------
    DataError
        If no candidate of a kind could be computed.
    """
    values, entry = params.candidates, params.models.entry(params.candidates.model)
    candidates, predictivity = [], []
    for kind, (sampler, loss) in KINDS.items():
        seed, is_random = seed_of(params.seed, "candidates", kind), sampler == "random"

        def evaluate(asked, kind=kind, seed=seed, loss=loss, is_random=is_random):
            tasks = [
                (number, theta, seed, _outcome_file(folder, number) if is_random else None, kind == "predictivity")
                for number, theta in asked
            ]
            found = run(_judge, tasks)
            return [
                Told(None, scores["failed"]) if "failed" in scores else Told(loss(scores), notes=scores)
                for scores in found
            ]

        tried = minimise(
            lambda trial: hmo_space.module(trial, values.n_filt, entry.k_filt),
            evaluate,
            candidates=values.random if is_random else values.searched,
            batch=RANDOM_BATCH if is_random else values.batch,
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
        print(f"candidates: {kind} search, {len(tried)} tried", flush=True)
    kept = [
        _outcome_file(folder, row["number"]) for row in candidates if row["kind"] == "random" and row["failed"] is None
    ]
    return pd.DataFrame(candidates, columns=CANDIDATES), pd.DataFrame(predictivity, columns=PREDICTIVITY), kept


def _outcome_file(folder: Path, number: int) -> Path:
    return folder / f"random-{number}.npy"


def _judge(judge, number: int, values: dict, seed: int, keep: Path | None, predict_training: bool) -> dict:
    return judge(number, values, seed, keep, predict_training)


def compare_searches(candidates: pd.DataFrame, predictivity: pd.DataFrame) -> pd.DataFrame:
    """Compare the candidate that each search would choose with the random ones, by area.

    The candidates of a search depend on each other, so a search counts as one observation.

    Returns
    -------
    table `SEARCHES`
        The candidate with the lowest loss; its ranks in accuracy and predictivity are shares of random candidates below
        it.
    """
    losses = {"performance": candidates["training_error"], "predictivity": -candidates["training_r"]}
    rows = []
    for kind, loss in losses.items():
        rows_of_kind = candidates["kind"] == kind
        if not loss[rows_of_kind].notna().any():
            continue
        best = candidates.loc[loss[rows_of_kind].idxmin()]
        for region, part in predictivity.groupby("region", sort=False):
            random = part[part["kind"] == "random"]
            score = part[(part["kind"] == kind) & (part["number"] == best["number"])]["median_corrected_r"].iloc[0]
            ranks = [
                _share_below(random[column], value)
                for column, value in (("accuracy", best["accuracy"]), ("median_corrected_r", score))
            ]
            row = (kind, rows_of_kind.sum(), best["number"], best["accuracy"], ranks[0], region, score, ranks[1])
            rows.append(dict(zip(SEARCHES, row, strict=True)))
    return pd.DataFrame(rows, columns=SEARCHES)


def _share_below(values: pd.Series, value: float) -> float:
    values = values.dropna().to_numpy(float)
    return float((values < value).mean()) if len(values) and np.isfinite(value) else np.nan
