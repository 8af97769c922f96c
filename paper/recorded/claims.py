"""What the table of a recorded data set says: each verdict is reached here, once, and the sentences read it."""

import math
from collections import Counter
from collections.abc import Iterable

from paper import style
from paper.recorded.tables import PARTIAL, RHO, Recorded, Score

LARGER, SMALLER, UNDETECTED, ABSENT = "larger", "smaller", "no detectable difference", "absent"
"""Verdicts on a contrast: of the first model's score against the second's."""
WITH, AGAINST, MIXED, UNDECIDED = "with", "against", "mixed", "undecided"
"""Verdicts on performance: the better model predicts better, worse, sometimes either; or no difference was detected."""
LEVEL = 0.05
"""Of the tests of contrasts, after Holm's correction."""
BY_CONSTRUCTION = ("category",)
"""Models that are given the labels: their accuracy is no performance."""
BASELINE = "pixels"
OF_FREE_VIEWING = ("recordings", "fixations", "missing")
"""What the table of recordings of free viewing has beside the others."""


def verdict(contrast: dict) -> str:
    """Return the verdict on a row of the table of contrasts, by its sign and its p-value after Holm's correction."""
    difference, p = contrast.get("difference"), contrast.get("p_holm")
    if difference is None or p is None:
        return ABSENT
    if p >= LEVEL or difference == 0:
        return UNDETECTED
    return LARGER if difference > 0 else SMALLER


def performance(found: Recorded, region: str) -> dict:
    """Say whether the model that performs better on the task also predicts the area better.

    Pairs count whose contrast was tested and whose accuracies differ, without models whose accuracy is
    `BY_CONSTRUCTION`.

    Returns
    -------
    dict
        ``pairs``; in how many the more accurate model predicts ``better``, ``worse``, or with an ``undetected``
        difference; ``verdict``: `WITH`, `AGAINST`, `MIXED`, `UNDECIDED`, or `ABSENT` without pairs.
    """
    verdicts = []
    for row in found.contrasts(region):
        one, other = found.accuracy(row["model"]), found.accuracy(row["other"])
        if one is None or other is None or one == other or {row["model"], row["other"]} & set(BY_CONSTRUCTION):
            continue
        verdicts.append(verdict(row if one > other else _reversed(row)))
    return _count(verdicts)


def against_baseline(found: Recorded, region: str) -> dict:
    """Count, as `performance`, how many models do ``better`` and ``worse`` than raw pixels."""
    return _count(
        verdict(row if row["other"] == BASELINE else _reversed(row))
        for row in found.contrasts(region)
        if BASELINE in (row["model"], row["other"])
    )


def interval_verdict(value: float | None, low: float | None, high: float | None) -> str:
    """Return the verdict of a 95 % interval on a difference, or on a score whose chance level is 0.

    `LARGER` and `SMALLER` need an interval on one side of 0, `UNDETECTED` is one that holds 0, and `ABSENT` stands for
    a value or interval that is undefined, or an interval of no width at 0, which measures nothing.
    """
    if not all(x is not None and math.isfinite(x) for x in (value, low, high)) or low == high == 0:
        return ABSENT
    if low > 0:
        return LARGER
    return SMALLER if high < 0 else UNDETECTED


def beyond_labels(models: list[dict]) -> dict | None:
    """Return the model of the highest rho, with the verdict on what is left with labels held constant; None without."""
    known = [m for m in models if None not in (m["rho_value"], m["partial_value"]) and m["name"] not in BY_CONSTRUCTION]
    best = max(known, key=lambda m: m["rho_value"], default=None)
    if best is None:
        return None
    return best | {"verdict": interval_verdict(*(best[f"partial_{end}"] for end in ("value", "low", "high")))}


def of_area(found: Recorded, region: str) -> dict:
    """Return what the table says of one area, as JSON values.

    Returns
    -------
    dict
        ``region``, ``measure``, ``units``; ``models``: name, title, accuracy, score (``layer``, ``value``, ``low``,
        ``high``), and ``rho`` and ``partial`` of the top layer, best first; ``best``: the first of them, ``pixels``:
        theirs (None where absent); ``contrasts`` with their verdicts; ``beyond_labels``: the model of the highest rho,
        labels alone left aside, with the verdict on its partial rho; ``performance``, ``against_pixels``, and
        ``across``: the rank correlation of accuracy and score over the models, None where it was not computed.
    """
    models = [_describe(found, found.score(name, region), region) for name in found.models]
    models.sort(key=lambda model: (model["value"] is None, -(model["value"] or 0.0)))
    known = [model for model in models if model["value"] is not None]
    return {
        "region": region,
        "measure": found.measure(region),
        "units": found.n_units(region),
        "models": models,
        "best": next(iter(known), None),
        "pixels": next((model for model in known if model["name"] == BASELINE), None),
        "contrasts": [
            {**row, "titles": [style.name(row["model"]), style.name(row["other"])], "verdict": verdict(row)}
            for row in found.contrasts(region)
        ],
        "beyond_labels": beyond_labels(models),
        "performance": performance(found, region),
        "against_pixels": against_baseline(found, region),
        "across": (found.table.get("performance") or {}).get(region),
    }


def of_set(found: Recorded) -> dict:
    """Return what the table of a data set says, as JSON values: its counts, and ``areas`` (`of_area`).

    Of recordings of free viewing, also `OF_FREE_VIEWING`.
    """
    counts = ("units", "images", "presentations", "median_reliability", "environment", "hashes", "reference", "given")
    return {
        "name": found.name,
        "title": found.title,
        **{key: found.table.get(key) for key in counts},
        "trained_elsewhere": "trained_in" in found.table,
        **{key: found.table.get(key) for key in ("task", "classes", "chance", "training")},
        "repeatability": found.table.get("repeatability") or {},
        "areas": [of_area(found, region) for region in found.regions],
        **({key: found.table[key] for key in OF_FREE_VIEWING} if found.views_freely else {}),
    }


def _reversed(contrast: dict) -> dict:
    difference = contrast.get("difference")
    return contrast | {"difference": None if difference is None else -difference}


def _count(verdicts: Iterable[str]) -> dict:
    counts = Counter(one for one in verdicts if one != ABSENT)
    better, worse = counts[LARGER], counts[SMALLER]
    by_direction = {(True, False): WITH, (False, True): AGAINST, (True, True): MIXED, (False, False): UNDECIDED}
    return {
        "pairs": counts.total(),
        "better": better,
        "worse": worse,
        "undetected": counts[UNDETECTED],
        "verdict": by_direction[better > 0, worse > 0] if counts.total() else ABSENT,
    }


def _describe(found: Recorded, score: Score, region: str) -> dict:
    name = score.model
    about = {"name": name, "title": style.name(name), "accuracy": found.accuracy(name), "layer": score.layer}
    scores = {"": score, "rho_": found.score(name, region, RHO), "partial_": found.score(name, region, PARTIAL)}
    return about | {
        prefix + key: getattr(one, key) for prefix, one in scores.items() for key in ("value", "low", "high")
    }
