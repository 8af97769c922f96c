"""Claims on the methods where the truth is known: intervals, tests and ceilings, and which kind of model wins."""

import re
from collections.abc import Callable, Iterable

from paper.results import Results
from paper.truth.tables import read

NONE = "no winner"
PLANTED = {
    ("pixels", "V1"): "pixels",
    ("pixels", "V4"): "pixels",
    ("pixels", "AIT"): "pixels",
    ("gabor", "V1"): "Gabor energy",
    ("gabor", "V4"): "Gabor energy",
    ("gabor", "AIT"): "Gabor energy",
    ("label", "V1"): "Gabor energy",
    ("label", "AIT"): "category observer",
    ("graded", "V1"): "Gabor energy",
    ("none", "V1"): NONE,
    ("none", "V4"): NONE,
    ("none", "AIT"): NONE,
}
"""Kind of model of which at least four fifths of the planted variance is, by world and area (see
``analysis/simulate/responses/worlds.py``). The other cases follow several kinds, or a network that is not compared."""
OURS = "nested analysis of variance, jackknife"
"""The estimator of ceilings that the paper uses."""
DESIGN = re.compile(r"(\w+), (\d+) images, (\d+) units, (\d+) recordings, (\w+)")


def truth() -> dict:
    """Return the claims ``coverage``, ``tests``, ``ceilings`` and ``recovery``, each None where no table was kept."""
    return {
        "coverage": _said(coverage, "coverage"),
        "tests": _said(permutation_tests, "calibration"),
        "ceilings": _said(ceilings, "reliability"),
        "recovery": _said(recovery, "recovery"),
    }


def _said(claim: Callable, name: str) -> dict | None:
    table = read(name)
    return None if table is None else claim(table)


def coverage(table: dict) -> dict:
    """Return the least and the most coverage of 95 % intervals over all cases, and of false alarms of contrasts."""
    cases = list(table.values())
    alarms = [one["false_alarms"] for one in cases if one["false_alarms"] is not None]
    return {
        "cases": len(cases),
        "coverage": _ends(one["coverage"] for one in cases),
        "runs": _ends(one["runs"] for one in cases),
        "contrasts": len(alarms),
        "false_alarms": _ends(alarms),
    }


def permutation_tests(table: dict) -> dict:
    """Return how uniform the p-values of the permutation tests are under the null, and their false alarms at 5 %."""
    return {
        "tests": len(table["uniform_ks_p"]),
        "runs": table["runs"],
        "least_p": min(table["uniform_ks_p"].values()),
        "false_alarms": _ends(table["false_alarms_at_5_percent"].values()),
    }


def ceilings(table: list[dict]) -> dict:
    """Return the largest bias of the noise ceiling, that of other estimators, and the score of a perfect model."""
    biases = {name: max((one["bias"][name] for one in table), key=abs) for name in table[0]["bias"]}
    others = {name: bias for name, bias in biases.items() if name != OURS}
    rival = min(others, key=lambda name: abs(others[name]))
    return {
        "cases": len(table),
        "bias": biases[OURS],
        "rival": rival,
        "rival_bias": biases[rival],
        "perfect": _ends(one["perfect_model"] for one in table),
    }


def recovery(table: dict) -> dict:
    """Return how often each kind of model wins in each world and area, and whether it is the planted one.

    Returns
    -------
    dict
        ``worlds``, ``runs``, ``images``, ``units``; ``cells``: world, area, ``planted`` kind or None, ``winners``:
        share of experiments by kind, ``winner``: share of those with any, ``most``: the kind that wins most of them;
        ``planted``: number of cells with a planted kind, ``found``: in how many it wins more than half of the
        experiments, ``least``: its smallest share, ``wrong``: the largest share of another winner; ``late``: the cells
        of AIT in the graded world; ``power``: cells of that world, by size, with the ``smallest`` and the ``largest``.
    """
    cells = [_cell(name, one) for name, one in table["matrix"].items()]
    known = [cell for cell in cells if cell["planted"]]
    shares = [cell["winners"][cell["planted"]] for cell in known]
    wrong = [share for cell in known for kind, share in cell["winners"].items() if kind not in (cell["planted"], NONE)]
    power = [_cell(name, one) for name, one in table["power"].items()]
    power.sort(key=lambda cell: cell["images"] * cell["units"] * cell["recordings"])
    return {
        "worlds": len({cell["world"] for cell in cells}),
        **{key: cells[0][key] for key in ("runs", "images", "units")},
        "cells": cells,
        "planted": len(known),
        "found": sum(share > 0.5 for share in shares),
        "least": min(shares),
        "wrong": max(wrong),
        "late": [cell for cell in cells if (cell["world"], cell["area"]) == ("graded", "AIT")],
        "power": power,
        "smallest": power[0],
        "largest": power[-1],
    }


def planted_ceilings(results: Results) -> dict | None:
    """Return how well ceilings recover what the simulated experiment planted; None for recorded data.

    Returns
    -------
    dict or None
        ``units``, ``bias``, ``r``: of the steady units; ``drifting``: number of units whose rate drifts, with
        ``drifting_bias``, their mean difference.
    """
    found = results.summary["validation"]
    if found is None or not found["steady"]["units"]:
        return None
    steady = found["steady"]
    table = results.validation
    table = table[table.drifting & table.ceiling.notna() & table.explainable.notna()]
    return {
        "units": steady["units"],
        "bias": steady["mean_difference"],
        "r": steady["pearson_r"],
        "drifting": found["drifting"],
        "drifting_bias": float((table.ceiling - table.explainable).mean()) if len(table) else None,
    }


def _cell(name: str, one: dict) -> dict:
    world, images, units, recordings, area = DESIGN.fullmatch(name).groups()
    winners = one["winners"]
    kinds = [kind for kind in winners if kind != NONE]
    return {
        **{"world": world, "area": area, "planted": PLANTED.get((world, area))},
        **{"images": int(images), "units": int(units), "recordings": int(recordings)},
        **{"runs": one["runs"], "winners": winners, "scores": one["scores"]},
        **{
            "winner": 1 - winners[NONE],
            "most": max(kinds, key=lambda kind: winners[kind]) if winners[NONE] < 1 else None,
        },
    }


def _ends(values: Iterable[float]) -> dict[str, float]:
    values = list(values)
    return {"least": min(values), "most": max(values)}
