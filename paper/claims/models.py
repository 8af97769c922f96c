"""Claims on the task, on the prediction of single units, on seeds, and on layers along the ventral stream."""

from itertools import permutations

import numpy as np
import pandas as pd

from analysis.core.areas import AREAS
from analysis.core.reading import damaged
from paper import style
from paper.claims.verdicts import LARGER, SMALLER, UNDETECTED, count, estimate, p_verdict
from paper.results import AGAIN, Results

BEST = "best"
"""The layer chosen within the training images of each fold."""
LABELS = "category"
"""Kind of model that knows the labels and categories of the images and nothing else."""
FEWEST_AREAS = 4
"""With fewer areas no order of depths could be significant."""


def areas_of(results: Results, model: str) -> list[str]:
    """Return the areas in which a model was compared, along the ventral stream."""
    known = set(results.layers.region[results.layers.model == model])
    return [area for area in AREAS if area in known]


def main_area(results: Results) -> str:
    """Return the area of the main claims: the latest in which the first network was compared."""
    return areas_of(results, results.roles()["first"])[-1]


def named(model: str | None) -> dict | None:
    """Return a model as claims name it: its key, and its name in the text."""
    return None if model is None else {"key": model, "name": style.name(model)}


def task(results: Results) -> dict:
    """Return the accuracy on test images of each model in a role, and how wide the intervals are.

    Raises
    ------
    DataError
        If such a model has no row.
    """
    table = results.accuracy[results.accuracy.split == "test"].set_index("model")

    def scores(model: str | None) -> dict | None:
        if model is None:
            return None
        if model not in table.index:
            raise damaged(results.file("accuracy.csv"), f"no row with model = {model}, split = test", AGAIN)
        row = table.loc[model]
        return named(model) | {
            "accuracy": float(row.accuracy),
            "low": float(row.ci_low),
            "high": float(row.ci_high),
            "balanced": float(row.balanced_accuracy),
            "images": int(row.n),
        }

    found = {role: scores(model) for role, model in results.roles().items()}
    first = found["first"]
    return found | {
        "models": [scores(model) for model in results.models if model in table.index],
        "half_width": None if first is None else (first["high"] - first["low"]) / 2,
    }


def predictivity(results: Results) -> dict:
    """Return noise-corrected predictivity in the main area, each model by the layer chosen in the training images.

    Returns
    -------
    dict
        ``name`` of the first network, ``area``, ``units``, ``ceiling``; ``models``: score with interval, best first;
        ``first``, ``baseline``, ``labels``: those of the first network, of the pixels and of the labels;
        ``contrasts``: paired, with verdict, of this area; ``first_against``: how many of them the first network wins
        and loses; ``beyond_labels``: the first network's contrast with the labels; ``detected``: the contrasts with a
        verdict, each as that of the ``model`` which predicts better; ``by_area``: the first network along the stream;
        ``tops``, ``top_by_area``: scores of the top layers in the main area, best first, and of the first network's in
        each area; ``report``: the median r2 under the report's protocol, and its number of ``columns``.
    """
    roles, area = results.roles(), main_area(results)
    rows = _chosen(results, area)
    models = [
        named(row.model) | estimate(row.r_corrected, row.r_corrected_low, row.r_corrected_high)
        for row in rows.itertuples()
    ]
    models.sort(key=lambda model: -model["value"])
    by_key = {model["key"]: model for model in models}
    contrasts = of_contrasts(results, area)
    mine = [oriented(one, roles["first"]) for one in contrasts if roles["first"] in (one["model"], one["other"])]
    labels = next((m for m in by_key if results.summary["models"][m]["kind"] == LABELS), None)
    reported = results.scores(roles["report"], areas_of(results, roles["report"])[-1]) if roles["report"] else None
    return {
        "name": style.name(roles["first"]),
        "area": area,
        "units": int(rows.n_units.max()) if len(rows) else 0,
        "ceiling": _defined(rows.ceiling.median()),
        "models": models,
        "first": by_key.get(roles["first"]),
        "baseline": by_key.get(roles["baseline"]),
        "labels": by_key.get(labels),
        "contrasts": contrasts,
        "first_against": count(one["verdict"] for one in mine),
        "beats": [one["other"] for one in mine if one["verdict"] == LARGER],
        "loses_to": [one["other"] for one in mine if one["verdict"] == SMALLER],
        "ties_with": [one["other"] for one in mine if one["verdict"] == UNDETECTED],
        "beyond_labels": next((one for one in mine if one["other"] == labels), None),
        "detected": [_turned_up(one) for one in contrasts if one["verdict"] in (LARGER, SMALLER)],
        "tops": sorted(
            (top for model in results.corrected if (top := _top(results, model, area))), key=lambda top: -top["value"]
        ),
        "top_by_area": [
            top for one in areas_of(results, roles["first"]) if (top := _top(results, roles["first"], one))
        ],
        "best_r2": _best_r2(results, roles["first"], area),
        "by_area": [
            {"area": one} | estimate(row.r_corrected, row.r_corrected_low, row.r_corrected_high)
            for one in areas_of(results, roles["first"])
            for row in _chosen(results, one, roles["first"]).itertuples()
        ],
        "report": None
        if reported is None
        else named(roles["report"])
        | estimate(reported.r2, reported.r2_low, reported.r2_high)
        | {"columns": int(reported.n_units), "area": reported.region},
    }


def _top(results: Results, model: str, area: str) -> dict | None:
    """Return the scores of a model's top layer in an area; None where it has no noise-corrected score."""
    row = results.scores(model, area)
    if row is None or pd.isna(row.r_corrected):
        return None
    return (
        named(model)
        | {"area": area, "units": int(row.n_units), "ceiling": _defined(row.ceiling)}
        | estimate(row.r_corrected, row.r_corrected_low, row.r_corrected_high)
        | {"r2": estimate(row.r2, row.r2_low, row.r2_high)}
    )


def _best_r2(results: Results, model: str, area: str) -> dict:
    rows = results.layers[(results.layers.model == model) & (results.layers.region == area)]
    rows = rows[(rows.layer == BEST) & rows.r2.notna()]
    return estimate(*rows[["r2", "r2_low", "r2_high"]].iloc[0]) if len(rows) else estimate(None)


def _turned_up(contrast: dict) -> dict:
    """Return a contrast as that of the model which predicts better."""
    return contrast if contrast["difference"] > 0 else oriented(contrast, contrast["other"])


def of_contrasts(results: Results, area: str | None = None) -> list[dict]:
    """Return the paired contrasts of the chosen layer, in one area or all, with verdicts after Holm's correction."""
    rows = results.contrasts[results.contrasts.layer == BEST]
    rows = rows if area is None else rows[rows.region == area]
    return [
        {
            "model": row.model,
            "other": row.other,
            "name": style.name(row.model),
            "other_name": style.name(row.other),
            "area": row.region,
            "difference": _defined(row.difference),
            "low": _defined(row.low),
            "high": _defined(row.high),
            "p": _defined(row.p_holm),
            "verdict": p_verdict(row.difference, row.p_holm),
        }
        for row in rows.itertuples()
    ]


def oriented(contrast: dict, model: str | None) -> dict:
    """Return a contrast as that of `model` with the other one, which turns its sign and verdict round if need be."""
    if contrast["other"] != model:
        return contrast
    turned = {LARGER: SMALLER, SMALLER: LARGER}.get(contrast["verdict"], contrast["verdict"])
    swapped = {"model": "other", "other": "model", "name": "other_name", "other_name": "name"}
    ends = {"difference": "difference", "low": "high", "high": "low"}
    return (
        contrast
        | {new: contrast[old] for new, old in swapped.items()}
        | {new: None if contrast[old] is None else -contrast[old] for new, old in ends.items()}
        | {"verdict": turned}
    )


def seeds(results: Results) -> dict | None:
    """Return how scores vary between the seeds of each model, and of the first network in the main area.

    Returns
    -------
    dict or None
        ``area``, ``seeds``, ``mean``, ``sd``, ``least``, ``most``: of the first network; ``models``: name, ``accuracy``
        and ``predictivity``, each with mean, SD, least and most. None where the first network has a single seed.
    """
    area, several = main_area(results), results.seeds[results.seeds.seeds > 1]
    accuracy = _over_seeds(several[several.measure == "accuracy"])
    chosen = (several.measure == "r_corrected") & (several.layer == BEST)
    predictivity = _over_seeds(several[chosen & (several.region == area)])
    models = [
        named(model) | {"accuracy": accuracy[model], "predictivity": predictivity[model]}
        for model in results.models
        if model in accuracy and model in predictivity
    ]
    first = next((one for one in models if one["key"] == results.roles()["first"]), None)
    if first is None:
        return None
    return named(first["key"]) | {"area": area, **first["predictivity"], "models": models}


def _over_seeds(rows: pd.DataFrame) -> dict[str, dict]:
    """Return by model the number of seeds, mean, SD and range of a score."""
    return {
        row.model: {
            "seeds": int(row.seeds),
            "mean": float(row.mean),
            "sd": float(row.sd),
            "least": float(row.low),
            "most": float(row.high),
        }
        for row in rows.itertuples()
    }


def layers(results: Results) -> dict:
    """Return how deep the chosen layers lie along the ventral stream, and whether depth rises with the area.

    Depth runs from 0, the first layer, to 1, the last, and is the mean over folds and recordings. The test orders the
    mean depths over networks in all possible ways (exact permutation test of Spearman's rank correlation).

    Returns
    -------
    dict
        ``networks``: key, name, and depth by area; ``mean``: over networks, an entry for each area;
        ``rho``, ``p``, ``verdict``.
    """
    networks = [
        named(model) | {"depth": depth}
        for model in layered(results)
        if (depth := _depths(results, model, results.summary["models"][model]["layers"]))
    ]
    areas = [area for area in AREAS if any(area in one["depth"] for one in networks)]
    mean = {area: float(np.mean([one["depth"][area] for one in networks if area in one["depth"]])) for area in areas}
    rho, p = order_test(list(mean.values()))
    course = [{"area": area, "depth": depth} for area, depth in mean.items()]  # JSON keeps the order of a list alone
    return {"networks": networks, "mean": course, "rho": rho, "p": p, "verdict": p_verdict(rho, p)}


def layered(results: Results, fewest: int = 3) -> list[str]:
    """Return the networks of the corrected protocol with enough layers for a course along depth."""
    models = results.summary["models"]
    return [m for m in results.corrected if len(models[m]["layers"]) >= fewest]


def order_test(values: list[float]) -> tuple[float | None, float | None]:
    """Return Spearman's rank correlation of values with their order, and its exact two-sided p-value."""
    if len(values) < FEWEST_AREAS or len(set(values)) < 2:
        return None, None
    ranks = pd.Series(values).rank().to_numpy()
    place = np.arange(len(values), dtype=float)
    place -= place.mean()
    scale = np.sqrt((place**2).sum() * ((ranks - ranks.mean()) ** 2).sum())
    null = np.array([(place * np.array(order)).sum() for order in permutations(ranks)]) / scale
    rho = float((place * ranks).sum() / scale)
    return rho, float(np.mean(np.abs(null) >= abs(rho) - 1e-12))


def _depths(results: Results, model: str, names: list[str]) -> dict[str, float]:
    """Return the mean relative depth of the layers chosen in each area: ``N1:4 N2:1`` counts folds."""
    rows, depths = results.best[results.best.model == model], {}
    place = {name: k / (len(names) - 1) for k, name in enumerate(names)}
    for area in AREAS:
        chosen = [part.rsplit(":", 1) for text in rows.layers[rows.region == area].dropna() for part in text.split()]
        weights = [(place[name], int(n)) for name, n in chosen if name in place]
        if total := sum(n for _, n in weights):
            depths[area] = float(sum(at * n for at, n in weights) / total)
    return depths


def _chosen(results: Results, area: str, model: str | None = None) -> pd.DataFrame:
    rows = results.layers[(results.layers.layer == BEST) & (results.layers.region == area)]
    rows = rows[rows.r_corrected.notna()]
    return rows if model is None else rows[rows.model == model]


def _defined(value) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
