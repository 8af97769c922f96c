"""Claims on the search for HMO: performance and predictivity over candidates, and what each component contributes."""

from analysis.core.reading import read_json
from paper.claims.verdicts import LARGER, SMALLER, estimate, interval_verdict
from paper.plots.candidates.read import VARIANTS, is_drawable, read_table
from paper.results import Results

EARLY, LATE = "V1", "IT"
"""Areas whose difference is the specificity of the relation between performance and predictivity."""
FULL, REPORT = "full", "report"
SIMILAR = 1.25
"""Costs whose ratio is below it count as alike."""


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


def components(results: Results) -> dict | None:
    """Return what changing one component of HMO does to its accuracy on test images; None without candidates.

    Returns
    -------
    dict
        ``seeds``; ``full``: accuracy and cost (billions of operations) of the whole procedure; ``variants``: name,
        accuracy, cost, and difference from it; ``changed``: number of changed components whose difference is known,
        ``better``, ``worse``: names of those whose accuracy is detectably higher or lower; ``report``: the report
        HMO's entry, or None, and whether it costs ``alike``.
    """
    if not is_drawable(results):
        return None
    found = read_json(results.file("candidates/summary.json"), "run the stage candidates")["ablation"]
    variants = [_variant(key, found[key]["accuracy"]) for key in VARIANTS if key in found]
    by_key = {one["key"]: one for one in variants}
    full, report = by_key[FULL], by_key.get(REPORT)
    changed = [one for one in variants if one["key"] not in (FULL, REPORT) and one["low"] is not None]
    costs = sorted(one["cost"]["value"] for one in (full, report) if one)
    return {
        "seeds": found[FULL]["accuracy"]["seeds"],
        "full": full,
        "variants": variants,
        "changed": len(changed),
        "better": [one["name"] for one in changed if one["verdict"] == LARGER],
        "worse": [one["name"] for one in changed if one["verdict"] == SMALLER],
        "report": report,
        "alike": costs[-1] < SIMILAR * costs[0],
    }


def _variant(key: str, found: dict) -> dict:
    difference = estimate(found["difference"], found["ci_low"], found["ci_high"]) if key != FULL else estimate(None)
    return {
        "key": key,
        "name": VARIANTS[key],
        "accuracy": found["mean"],
        **difference,
        "cost": estimate(found["search_gflop"], found["gflop_low"], found["gflop_high"]),
    }
