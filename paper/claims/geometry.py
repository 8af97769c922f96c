"""Claims on the geometry of the population, on performance over candidates, and on ceilings of the simulation."""

import numpy as np

from paper.claims.models import LABELS, main_area, named
from paper.claims.verdicts import LARGER, LEVEL, estimate, interval_verdict
from paper.plots.candidates.read import is_drawable, read_table
from paper.results import Results

EARLY, LATE = "V1", "IT"
"""Areas whose difference is the specificity of the relation between performance and predictivity."""


def geometry(results: Results) -> dict:
    """Return the correlation of the RDMs of model and neurons in the main area, and what is left beyond the labels.

    Returns
    -------
    dict
        ``area``, ``recordings``; ``models``: ``rho`` and ``partial`` (given label and category) of each top layer, the
        highest first; ``first``, ``labels``: those of the first network and of the labels; ``beyond``: of the first
        network, ``variance`` that it adds to the labels, and fits ``within`` faces and non-faces; ``others``: names of
        the other models that add variance; ``ceiling``: mean of the bounds; ``p``: of rho, corrected for all tests.
    """
    roles, area, kinds = results.roles(), main_area(results), results.summary["models"]
    table = results.beyond_label
    table = table[(table.recording == "all") & (table.region == area)]

    def measured(model: str, measure: str) -> dict:
        rows = table[(table.model == model) & (table.measure == measure)]
        return estimate(*rows[["value", "ci_low", "ci_high"]].iloc[0]) if len(rows) else estimate(None)

    models = [
        named(m) | {"rho": measured(m, "rho"), "partial": measured(m, "rho_given_both")}
        for m in results.models
        if m in set(table.model)
    ]
    models.sort(key=lambda m: -np.inf if m["rho"]["value"] is None else -m["rho"]["value"])
    first = roles["first"]
    others = [m for m in models if m["key"] != first and kinds[m["key"]]["kind"] != LABELS]
    tests = results.tests[(results.tests.model == first) & (results.tests.region == area)]
    tests = tests[tests.layer == results.top(first)]
    bounds = results.similarities(first, area)[["ceiling_lower", "ceiling_upper"]].mean()
    return {
        "area": area,
        "recordings": len(results.similarities(first, area)),
        "models": models,
        "first": next((m for m in models if m["key"] == first), None),
        "labels": next((m for m in models if kinds[m["key"]]["kind"] == LABELS), None),
        "beyond": {
            "variance": measured(first, "r2_unique_model"),
            "labels_variance": measured(first, "r2_labels"),
            "faces": measured(first, "r_face"),
            "non_faces": measured(first, "r_nonface"),
            "unseen": measured(first, "r_unseen"),
        },
        "others": [m["key"] for m in others if measured(m["key"], "r2_unique_model")["verdict"] == LARGER],
        "compared": len(others),
        "ceiling": {end: _defined(bounds[f"ceiling_{end}"]) for end in ("lower", "upper")},
        "p": _defined(tests.p_max.iloc[0]) if len(tests) else None,
        "report": _report(results),
        "level": LEVEL,
    }


def performance(results: Results) -> dict | None:
    """Return whether candidates that do better on the task predict IT better, and more so than V1; None without them.

    Returns
    -------
    dict
        ``candidates``; ``areas``: r with its interval, and its ``specificity`` (difference from V1); ``late``,
        ``early``: those of IT and V1; ``verdict``: of the specificity of IT; ``chosen``: by each search, the share of
        random candidates that it exceeds in IT.
    """
    if not is_drawable(results):
        return None
    table, searches = read_table(results, "correlations"), read_table(results, "searches")
    areas = [
        {
            "area": row.region,
            **estimate(row.r, row.ci_low, row.ci_high),
            "specificity": estimate(row.over_v1, row.over_v1_low, row.over_v1_high),
        }
        for row in table.itertuples()
    ]
    by_name = {one["area"]: one for one in areas}
    late = by_name.get(LATE)
    return {
        "candidates": int(table.candidates.max()) if len(table) else 0,
        "areas": areas,
        "late": late,
        "early": by_name.get(EARLY),
        "verdict": late["specificity"]["verdict"] if late else interval_verdict(None, None, None),
        "chosen": {
            row.kind: {"accuracy": float(row.accuracy_rank), "predictivity": float(row.predictivity_rank)}
            for row in searches[searches.region == LATE].itertuples()
        },
    }


def calibration(results: Results) -> dict | None:
    """Return how well ceilings recover what was planted; None for recorded data."""
    found = results.summary["validation"]
    if found is None or not found["steady"]["units"]:
        return None
    steady = found["steady"]
    return {
        "units": steady["units"],
        "bias": steady["mean_difference"],
        "r": steady["pearson_r"],
        "drifting": found["drifting"],
    }


def _report(results: Results) -> dict | None:
    """Return rho under the report's protocol, in the latest area in which it was compared."""
    model = results.roles()["report"]
    if model is None:
        return None
    rows = results.rsa[
        (results.rsa.model == model) & (results.rsa.layer == results.top(model)) & results.rsa.rho.notna()
    ]
    return named(model) | {"rho": float(rows.rho.mean()) if len(rows) else None}


def _defined(value) -> float | None:
    return float(value) if np.isfinite(value) else None
