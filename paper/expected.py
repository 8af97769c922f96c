"""What README and docs say of the results: the answer in words, and for each figure what makes it and a value."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.paths import FIGURES, RESULTS
from analysis.core.reading import read_json
from paper import blocks, provenance, results, style
from paper.claims.models import predictivity
from paper.claims.timing import timing
from paper.claims.truth import truth
from paper.command import run
from paper.recorded import words
from paper.recorded.claims import of_set
from paper.recorded.tables import compared
from paper.recorded.words import number
from paper.results import Results, path_of

MINUTES = Path("benchmarks/stages.json")
HEAD = ["figure", "command", "stages before it", "their minutes", "a value to expect"]
COMMAND = "`python -m analysis figures`"


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{number(100 * share, 1)} %"


def _role(found: Results, part: str) -> str:
    model = found.roles()[part]
    if model is None:
        raise DataError("no model was compared with these results; there is no value to expect")
    return model


def _latest(found: Results) -> str:
    """Return the latest area that was recorded."""
    return [area for area in AREAS if found.scores(_role(found, "first"), area) is not None][-1]


def _right(found: Results, model: str) -> float:
    rows = found.accuracy[(found.accuracy.model == model) & (found.accuracy.split == "test")]
    return float(rows.accuracy.iloc[0])


def _r2(found: Results, part: str) -> str:
    return number(found.scores(_role(found, part), _latest(found)).r2)


def _accuracy(found: Results) -> str:
    first, baseline = _role(found, "first"), _role(found, "baseline")
    scores = ", ".join(f"{style.name(model)} {percent(_right(found, model))}" for model in (first, baseline))
    return f"test images classified correctly: {scores}"


def _areas(found: Results) -> str:
    first, baseline = (number(found.scores(_role(found, p), _latest(found)).r_corrected) for p in ("first", "baseline"))
    return (
        f"median noise-corrected r in {_latest(found)}: {style.name(_role(found, 'first'))} {first}, pixels {baseline}"
    )


def _layers(found: Results) -> str:
    model, area = _role(found, "first"), _latest(found)
    rows = found.layers[(found.layers.model == model) & (found.layers.region == area)]
    scores = ", ".join(f"{row.layer} {number(row.r_corrected)}" for row in rows.itertuples())
    return f"median noise-corrected r in {area} by layer of {style.name(model)}: {scores}"


def _similarity(found: Results) -> str:
    model, area = _role(found, "first"), _latest(found)
    mean = found.similarities(model, area).rho.mean()
    return f"mean ρ of {style.name(model)} over recordings of {area}: {number(mean)}"


def _beyond_label(found: Results) -> str:
    model, area, table = _role(found, "first"), _latest(found), found.beyond_label
    rows = table[(table.model == model) & (table.recording == "all") & (table.region == area)]
    value = rows.set_index("measure")["value"]
    rho, given = number(value.get("rho", np.nan)), number(value.get("rho_given_both", np.nan))
    return f"ρ of {style.name(model)} in {area}: {rho}, {given} given label and category"


def _read_out(found: Results) -> str:
    model, area, table = _role(found, "first"), _latest(found), found.decoding
    rows = table[(table.model == model) & (table.region == area) & (table.factor == "all")]
    units, features = (rows.score[rows.system == system].mean() for system in ("population", "model"))
    return f"balanced accuracy in {area}: recorded units {percent(units)}, {style.name(model)} {percent(features)}"


def _validation(found: Results) -> str:
    steady = found.validation[~found.validation.drifting]
    return f"mean error of the ceilings of steady units: {number((steady.ceiling - steady.explainable).mean())}"


def _coverage(found: Results) -> str:
    said = truth()["coverage"]
    least, most = (percent(said["coverage"][end]) for end in ("least", "most"))
    return f"coverage of 95 % intervals in {said['cases']} cases: {least} to {most}"


def _recovery(found: Results) -> str:
    said = truth()["recovery"]
    return f"right answer in most experiments: {said['found']} of {said['planted']} combinations of world and area"


def _choices(found: Results) -> str:
    rows = found.table("audit", "shapley")
    row = rows[rows.score == "r2"].nlargest(1, "value").iloc[0]
    return f"largest contribution to the median r² of small networks: {row.field}, {number(row.value)}"


def _splits(found: Results) -> str:
    rows = found.table("audit", "report_splits")
    return f"report's median r² over {len(rows)} splits: median {number(rows.r2.median())}"


def _blocks(found: Results) -> str:
    rows = found.table("audit", "table_units")
    return f"median variance of a column that blocks explain: {percent(rows.variance_by_block.median())}"


def _candidates(found: Results) -> str:
    rows = found.table("candidates", "correlations")
    row = rows[rows.region == _latest(found)].iloc[0]
    return f"accuracy with predictivity of {_latest(found)}, {row.candidates} random candidates: r = {number(row.r, 2)}"


def _explain(found: Results) -> str:
    rows = found.table("explain", "localisation")
    row = rows[(rows.weights == "trained") & (rows.method == "lime")].iloc[0]
    inside = f"{percent(row.in_face)} of the positive map in the face, {percent(row.in_shifted_faces)} in shifted faces"
    return f"LIME of {row.model}: {inside}"


def _timing(found: Results) -> str:
    said = timing(found)
    onset = "none" if said["onset"] is None else f"the one that begins at {said['onset']} ms"
    return f"first bin after image onset with reliable responses in {said['area']}: {onset}"


def _recorded(found: Results) -> str:
    scores = [
        f"{area['region']} of `{said['name']}`: {area['best']['title']} {words.with_interval(area['best'])}"
        for said in map(of_set, compared())
        for area in said["areas"]
        if area["best"]
    ]
    ours = f"mean ρ in {_latest(found)}: {number(found.similarities(_role(found, 'first'), _latest(found)).rho.mean())}"
    return "; ".join([ours, *(["highest score in " + "; ".join(scores)] if scores else [])])


EXPECTED: dict[str, Callable[[Results], str]] = {
    "question": lambda found: f"ρ of the two RDMs shown: {number(found.rdms(_role(found, 'first')).attrs['rho'])}",
    "predictivity": _accuracy,
    "geometry": _recorded,
    "candidates": _candidates,
    "origin": _choices,
    "layers": _layers,
    "units": _areas,
    "timing": _timing,
    "similarity": _similarity,
    "beyond_label": _beyond_label,
    "read_out": _read_out,
    "validation": _validation,
    "coverage": _coverage,
    "recovery": _recovery,
    "splits": _splits,
    "merged_table": _blocks,
    "explain": _explain,
}
"""A quantity that each figure shows."""


def table(found: Results) -> str:
    """Return the table of figures as Markdown.

    Raises
    ------
    DataError
        If the figures are not drawn.
    """
    sources = read_json(FIGURES / "sources.json", "run the stage figures", dict[str, list[str]])
    minutes = read_json(MINUTES, "run benchmarks/stages.py")["minutes"] if MINUTES.is_file() else {}
    known = provenance.stages()
    rows = []
    for name in [name for name in EXPECTED if name in sources]:
        made = [path for path in map(path_of, sources[name]) if path.parts[0] == RESULTS.name]  # others are committed
        before = list(dict.fromkeys(provenance.stage_of(str(path), known) for path in made))
        spent = [minutes.get(stage.split("@")[0]) for stage in before]
        total = "–" if None in spent else f"{sum(spent):.1f}"
        rows.append([f"`{name}`", COMMAND, ", ".join(f"`{s}`" for s in before), total, EXPECTED[name](found)])
    return blocks.table(HEAD, rows)


def answer(found: Results) -> str:
    """Return the answer in words: from the results, and from each committed table of a recorded data set."""
    first, area = _role(found, "first"), _latest(found)
    score, pixels = (predictivity(found)[role] for role in ("first", "baseline"))
    shared = found.beyond_label
    shared = shared[(shared.model == first) & (shared.recording == "all") & (shared.region == area)]
    rho = shared.set_index("measure")["value"]
    ours = (
        f"On {found.source} data, {style.name(first)} classifies {percent(_right(found, first))} of the test images "
        f"correctly and predicts the units of {area} with a median noise-corrected r of {number(score['value'])} "
        f"(95 % interval {number(score['low'])} to {number(score['high'])}; raw pixels: {number(pixels['value'])}). "
        f"Its geometry correlates with theirs with ρ = {number(rho.get('rho', np.nan))}, and with "
        f"{number(rho.get('rho_given_both', np.nan))} given the labels and categories of the images. Under the "
        f"report's protocol the same architecture has a median r² of {_r2(found, 'report')} ({_r2(found, 'first')} "
        "under the corrected one)."
    )
    return "\n\n".join([ours, *words.sentences()])


def texts() -> dict[str, str]:
    """Return what results and committed tables put into ``answer`` (README), ``expected`` and ``recorded`` (docs)."""
    found = results.read()
    return {"answer": answer(found), "expected": table(found), "recorded": words.tables()}


def main() -> None:
    """Fill the blocks of README and docs."""
    blocks.fill(texts())


if __name__ == "__main__":
    run(main)
