"""Claims on the geometry of the population, and on what it shares with a network beyond the labels."""

import numpy as np

from paper.claims.models import LABELS, areas_of, main_area, named
from paper.claims.verdicts import LARGER, LEVEL, estimate
from paper.results import Results

BEYOND = {
    "variance": "r2_unique_model",
    "labels_variance": "r2_labels",
    "labels_unique": "r2_unique_labels",
    "faces": "r_face",
    "non_faces": "r_nonface",
    "unseen": "r_unseen",
    "reweighted": "rho_reweighted",
    "fixed": "rho_fixed",
    "categories": "rho_categories",
}
"""Names of the measures of ``beyond_label.csv`` in the claims on the first network."""


def geometry(results: Results) -> dict:
    """Return the correlation of the RDMs of model and neurons in the main area, and what is left beyond the labels.

    Returns
    -------
    dict
        ``area``, ``recordings``; ``models``: ``rho`` and ``partial`` (given label and category) of each top layer, the
        highest first; ``first``, ``labels``, ``baseline``: those of the first network, of the labels and of pixels;
        ``beyond``: of the first network, the measures of `BEYOND`; ``others``: names of the other models that add
        variance; ``ceiling``: mean of the bounds; ``p``, ``p_fdr``: of rho, corrected for all tests; ``tests``: how
        many pairs of a top layer and an area were ``tested``, and how many are ``significant``; ``report``.
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
        "baseline": next((m for m in models if m["key"] == roles["baseline"]), None),
        "beyond": {name: measured(first, measure) for name, measure in BEYOND.items()},
        "others": [m["key"] for m in others if measured(m["key"], "r2_unique_model")["verdict"] == LARGER],
        "compared": len(others),
        "ceiling": {end: _defined(bounds[f"ceiling_{end}"]) for end in ("lower", "upper")},
        "p": _defined(tests.p_max.iloc[0]) if len(tests) else None,
        "p_fdr": _defined(tests.p_bh.iloc[0]) if len(tests) else None,
        "tests": _count_tests(results),
        "report": _report(results),
        "level": LEVEL,
    }


def _count_tests(results: Results) -> dict[str, int]:
    table = results.tests[results.tests.p_max.notna()]
    tops = table[[layer == results.top(model) for model, layer in zip(table.model, table.layer, strict=True)]]
    return {"tested": len(tops), "significant": int((tops.p_max < LEVEL).sum())}


def _report(results: Results) -> dict | None:
    """Return mean rho under the report's protocol, in the latest area in which it was compared."""
    model = results.roles()["report"]
    if model is None:
        return None
    area = areas_of(results, model)[-1]
    rows = results.similarities(model, area)
    return named(model) | {"area": area, "rho": float(rows.rho.mean()) if len(rows) else None}


def _defined(value) -> float | None:
    return float(value) if np.isfinite(value) else None
