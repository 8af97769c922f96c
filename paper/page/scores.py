"""Scores of every model in every area, of every data set, as the pictures of the page read them."""

import math

from analysis.core.areas import AREAS
from paper import style
from paper.recorded.tables import CHOSEN, CORRECTED, PARTIAL, RHO, Recorded, compared
from paper.results import UNLEARNED, Results

MEASURES = {
    "r_corrected": "noise-corrected r of single units",
    "r2": "cross-validated r² of single units",
    "rho": "Spearman’s ρ of the RDMs",
    "partial": "ρ of the RDMs, labels held constant",
}
"""Measures that the reader can choose."""

GIVEN = ("rho_given_both", "rho_given_label")
"""Measures of the table ``beyond_label`` that hold labels constant, in order of preference."""


def data_sets(results: Results) -> list[dict]:
    """Return the experiment of the results, then the committed recorded data sets.

    Returns
    -------
    list of dict
        ``key``, ``title``, ``scores`` and ``layers``: rows of `_row`; a row of ``scores`` stands for a model's chosen
        or top layer, those of ``layers`` for each layer in its depth.
    """
    title = "Simulated experiment" if results.source == "simulated" else "Free viewing, Xiao et al. 2024"
    own = {"key": "experiment", "title": title, "scores": _units(results) + _geometry(results)}
    found = [own | {"layers": _layers(results)}]
    found += [_recorded(one) for one in compared()]
    return [one for one in found if one["scores"]]


def _row(model: str, kind: str | None, area: str, measure: str, value, low, high, **more) -> dict:
    """Return one score as JSON: what is undefined is None; ``ceiling`` is a text, ``floor`` and ``roof`` are drawn."""
    numbers = {
        "value": value,
        "low": low,
        "high": high,
        "floor": more.pop("floor", None),
        "roof": more.pop("roof", None),
    }
    return {
        "model": style.name(model),
        "kind": _sort(model, kind),
        "area": area,
        "measure": measure,
        **{name: _rounded(number) for name, number in numbers.items()},
        **more,
    }


def _sort(model: str, kind: str | None) -> str:
    kind = kind or model
    if kind == "category":
        return "labels alone"
    return "not trained" if kind in UNLEARNED or kind.endswith("untrained") else "trained network"


def _rounded(number) -> float | None:
    return None if number is None or not math.isfinite(number) else round(float(number), 4)


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _units(results: Results) -> list[dict]:
    table, rows = results.layers, []
    for measure in ("r_corrected", "r2"):
        for row in table[table.layer == CHOSEN].itertuples():
            value, low, high = (getattr(row, measure + end) for end in ("", "_low", "_high"))
            if math.isfinite(value):
                ceiling = (
                    f"median noise ceiling of the units {_number(row.ceiling)}" if math.isfinite(row.ceiling) else ""
                )
                kind = results.summary["models"][row.model]["kind"]
                more = {"layer": "chosen for each unit", "n": f"{row.n_units:.0f} units", "ceiling": ceiling}
                rows.append(_row(row.model, kind, row.region, measure, value, low, high, **more))
    return rows


def _geometry(results: Results) -> list[dict]:
    pooled = results.beyond_label[results.beyond_label.recording == "all"]
    single = results.rsa.groupby(["model", "layer", "region"])
    ceilings = single[["ceiling_lower", "ceiling_upper"]].mean()
    counts = single["recording"].nunique()
    given = next((name for name in GIVEN if name in set(pooled.measure)), None)
    rows = []
    for measure, name in (("rho", "rho"), ("partial", given)):
        for row in pooled[(pooled.measure == name) & pooled.value.notna()].itertuples():
            key = (row.model, row.layer, row.region)
            floor, roof = ceilings.loc[key] if measure == "rho" and key in ceilings.index else (None, None)
            kind = results.summary["models"][row.model]["kind"]
            count = int(counts.get(key, 1))
            more = {"layer": row.layer, "n": f"{count} recording{'s' * (count != 1)}", "floor": floor, "roof": roof}
            rows.append(_row(row.model, kind, row.region, measure, row.value, row.ci_low, row.ci_high, **more))
            rows[-1]["ceiling"] = _ceiling(rows[-1])
    return rows


def _ceiling(row: dict) -> str:
    if row["floor"] is None or row["roof"] is None:
        return ""
    return f"noise ceiling {_number(row['floor'])} to {_number(row['roof'])}"


def _layers(results: Results) -> list[dict]:
    table, rows = results.layers, []
    order = results.summary["models"]
    for row in table[(table.layer != CHOSEN) & table.r_corrected.notna()].itertuples():
        layers = order[row.model]["layers"]
        more = {"layer": row.layer, "n": f"{row.n_units:.0f} units", "ceiling": ""}
        more["depth"] = layers.index(row.layer) if row.layer in layers else len(layers)
        values = (row.r_corrected, row.r_corrected_low, row.r_corrected_high)
        rows.append(_row(row.model, order[row.model]["kind"], row.region, CORRECTED, *values, **more))
    return rows


def _recorded(found: Recorded) -> dict:
    scores, layers = [], []
    ceilings = found.table.get("reference", {}).get("ceilings") or {}
    for area in found.systems:
        units = found.n_units(area)
        n = f"{found.table['images']} images" if units is None else f"{units} units"
        for measure in (CORRECTED, RHO, PARTIAL):
            for model in found.models:
                score = found.score(model, area, measure)
                if score.value is None:
                    continue
                known = ceilings.get(area, {}) if measure == RHO else {}
                layer = "chosen for each unit" if score.layer == CHOSEN else score.layer
                more = {"layer": layer, "n": n, "floor": known.get("lower"), "roof": known.get("upper")}
                kind = found.table["models"][model].get("kind")
                scores.append(_row(model, kind, area, measure, score.value, score.low, score.high, **more))
                scores[-1]["ceiling"] = _ceiling(scores[-1])
        layers += [
            _row(model, None, area, found.measure(area), one.value, one.low, one.high)
            | {"layer": layer, "n": n, "ceiling": "", "depth": depth}
            for model in found.models
            for depth, (layer, one) in enumerate(_in_depth(found.layer_scores(model, area)))
            if one.value is not None
        ]
    return {"key": found.name, "title": found.title, "scores": scores, "layers": layers}


def _in_depth(scores: dict) -> list[tuple]:
    """Return (layer, score) from input to top: tables are sorted by name, and ``block10`` follows ``block9``."""

    def place(layer: str) -> tuple:
        digits = "".join(filter(str.isdigit, layer))
        stage = 0 if layer == "stem" else 2 if layer in ("head", "top") else 1
        return stage, int(digits) if digits else 0, layer

    return sorted(
        ((layer, score) for layer, score in scores.items() if layer != CHOSEN), key=lambda pair: place(pair[0])
    )


def areas_in_order(rows: list[dict]) -> list[str]:
    """Return the areas of rows along the ventral stream; others come last, as they stand."""
    found = list(dict.fromkeys(row["area"] for row in rows))
    return sorted(found, key=lambda area: (AREAS.index(area) if area in AREAS else len(AREAS), found.index(area)))
