"""Claims on what the report's result was made of, and on what the audit can tell."""

from analysis.core.files import as_json
from analysis.core.reading import read_json
from paper.claims.verdicts import ABSENT, LARGER, SMALLER, UNDETECTED, estimate
from paper.plots.audit.read import FIELDS, is_available, read_table
from paper.results import Results

SMALL, PLANTED = "small networks", "planted truth"
NOT_IDENTIFIABLE, BLOCKS, WITHIN = "not identifiable", "blocks", "within blocks"
"""Verdicts on a correlation in a table merged over recordings: nothing can be said; blocks carry it; images do."""
SCORES = ("r2", "rho")


def audit(results: Results) -> dict | None:
    """Return what each choice of the report does to r2 and rho, and how the audit judges confounds; None without it.

    Returns
    -------
    dict
        ``area``, ``recordings``; ``protocols``: ``report``, ``corrected`` and misaligned trials alone
        (``misaligned``), with the ``splits`` of the report's protocol and its ``images``, and ``planted`` likewise,
        each None where nothing was scored; ``steps`` by score: every choice
        with its Shapley value, its effect if corrected ``first`` and ``last``; ``decisive``: the choices whose
        interval excludes 0, the largest first; ``confound``; ``power``; ``aligned``: share of presentations that
        receive their own image.
    """
    if not is_available(results):
        return None
    path = results.file("audit/summary.json")
    found = read_json(path, "run the stage audit")
    small, planted = (found["protocols"].get(name) for name in (SMALL, PLANTED))
    joined = found["joins"]["row"]
    steps = {score: _steps(results, score) for score in SCORES} if small else {score: [] for score in SCORES}
    return {
        "area": found["area"],
        "recordings": found["recordings"],
        "protocols": None if small is None else {
            "report": _scores(small["report"]),
            "corrected": _scores(small["corrected"]),
            "misaligned": _scores(small["join_alone"]),
            "splits": found["report_splits"],
            "images": small["report"]["images"],
        },
        "planted": None if planted is None else {
            "corrected": _scores(planted["corrected"]),
            "misaligned": _scores(planted["join_alone"]),
        },
        "steps": steps,
        "decisive": {score: decisive(steps[score]) for score in SCORES},
        "confound": _confound(found["confound"]),
        "power": power(read_table(results, "power")) if small else None,
        "aligned": joined["right"] / joined["presentations"] if joined["presentations"] else None,
        "selection": found["selection"] if small else None,
    }  # fmt: skip


def decisive(steps: list[dict]) -> list[dict]:
    """Return the choices whose contribution has an interval without 0, the largest first."""
    found = [step for step in steps if step["verdict"] in (LARGER, SMALLER)]
    return sorted(found, key=lambda step: -abs(step["value"]))


def power(table) -> dict:
    """Return how often the audit detects a confound that carries everything, and how often it raises a false alarm.

    Returns
    -------
    dict
        ``none``, ``strong``: rate of detection, with its interval, without a confound and at the strongest that can be
        told apart, whose degree is ``degree``; ``false_alarm``: the highest rate, over all degrees, in studies whose
        units are informative, with ``false_alarm_high``, the highest upper limit; ``limit``: the lowest degree at
        which label and block count as one, or None.
    """
    judged, undecided = table[table.not_identifiable < 1], table[table.not_identifiable == 1]
    silent, informative = judged[~judged.informative], judged[judged.informative]

    def rate(row) -> dict:
        return {"value": float(row.blocks), "low": float(row.blocks_low), "high": float(row.blocks_high)}

    return {
        "none": rate(silent.loc[silent.share.idxmin()]) if len(silent) else None,
        "strong": rate(silent.loc[silent.share.idxmax()]) if len(silent) else None,
        "degree": float(silent.share.max()) if len(silent) else None,
        "false_alarm": float(informative.blocks.max()) if len(informative) else None,
        "false_alarm_high": float(informative.blocks_high.max()) if len(informative) else None,
        "limit": float(undecided.share.min()) if len(undecided) else None,
    }


def _steps(results: Results, score: str) -> list[dict]:
    table, alone = read_table(results, "shapley"), read_table(results, "single_choices")
    alone = alone[alone.network == SMALL].fillna({"field": ""}).set_index(["start", "field"])[score]
    return [
        {"field": row.field, "name": FIELDS.get(row.field, row.field)}
        | estimate(row.value, row.low, row.high)
        | {
            "first": _difference(alone, "report", row.field),
            "last": _difference(alone, "corrected", row.field),
        }
        for row in table[table.score == score].itertuples()
    ]


def _difference(alone, start: str, field: str) -> float | None:
    """Return what correcting one choice adds: to the report's protocol, or to one in which all others are corrected."""
    if (start, field) not in alone.index:
        return None
    changed, unchanged = float(alone[start, field]), float(alone[start, ""])
    return as_json(changed - unchanged if start == "report" else unchanged - changed)


def _confound(found: dict) -> dict | None:
    """Return rho in tables whose faces and other images come from different recordings, and in single recordings."""
    cells = {
        name: found.get(join, {}).get(kind)
        for name, join, kind in (
            ("merged", "trial_id", "merged"),
            ("single", "trial_id", "single"),
            ("merged_misaligned", "row", "merged"),
            ("single_misaligned", "row", "single"),
        )
    }
    if None in cells.values():
        return None
    scored = {
        name: {key: estimate(*(cell[key + end] for end in ("", "_low", "_high"))) for key in ("rho", "within")}
        for name, cell in cells.items()
    }
    shared, within = scored["merged_misaligned"]["rho"]["verdict"], scored["merged_misaligned"]["within"]["verdict"]
    return scored | {"verdict": _judge_confound(shared, within)}


def _judge_confound(overall: str, within: str) -> str:
    """Say what a correlation in a merged table with misaligned trials shows: trials that carry no image identity."""
    if overall == ABSENT:
        return ABSENT
    if overall != LARGER:
        return UNDETECTED
    return WITHIN if within == LARGER else BLOCKS


def _scores(row: dict) -> dict:
    return {
        name: estimate(*(row[name + end] for end in ("", "_low", "_high")))
        for name in ("r2", "pearson_r", "rho", "within", "ceiling")
    }
