"""The sentence that the page opens with."""

from pathlib import Path

from analysis.core.reading import read_json
from paper import style
from paper.page.scores import GIVEN, latest_area, pooled
from paper.recorded.tables import CHOSEN
from paper.results import Results

CLAIMS = Path("paper/claims.json")
KEY = "headline"


def sentence(results: Results) -> str:
    """Return the headline of the paper's claims; where there is none, what the results say of the first network."""
    if CLAIMS.exists():
        claims = read_json(CLAIMS, "run the stage report", dict)
        if isinstance(claims.get(KEY), str):
            return claims[KEY]
    return _from_results(results)


def _from_results(results: Results) -> str:
    roles = results.roles()
    model = roles["first"]
    if model is None:
        return "No model could be compared with the available data."
    area = latest_area(results, model)
    said = f"In {area}, the {style.name(model)} {_predicts(results, model, area)}"
    baseline = roles["baseline"]
    if baseline and _score(results, baseline, area) is not None:
        said += f", against {_text(_score(results, baseline, area))} for {style.name(baseline)}"
    rho = pooled(results, model, area, "rho")
    partial = next((value for name in GIVEN if (value := pooled(results, model, area, name)) is not None), None)
    if rho is None or partial is None:
        return said + "."
    return f"{said}; the RDMs correlate with ρ = {_text(rho)}, and {_text(partial)} once the labels are held constant."


def _predicts(results: Results, model: str, area: str) -> str:
    value = _score(results, model, area)
    if value is None:
        return "was compared, but its score is undefined"
    return f"predicts single units with a median noise-corrected r of {_text(value)}"


def _score(results: Results, model: str, area: str) -> float | None:
    rows = results.layers[(results.layers.model == model) & (results.layers.layer == CHOSEN)]
    values = rows.r_corrected[(rows.region == area) & rows.r_corrected.notna()]
    return None if values.empty else float(values.iloc[0])


def _text(value: float) -> str:
    text = f"{value:.2f}".replace("-", "−")
    return "0.00" if text == "−0.00" else text
