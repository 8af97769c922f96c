"""The finding in one sentence, with which the page opens."""


def sentence(predictivity: dict | None, geometry: dict | None) -> str:
    """Return the finding, from the claims on single units and on the geometry of the main area.

    Parameters
    ----------
    predictivity, geometry : dict or None
        As of `paper.claims.models` and `paper.claims.geometry`; None where no model was compared.
    """
    if predictivity is None or geometry is None:
        return "No model could be compared with the available data."
    model, score, baseline = geometry["first"], predictivity["first"], predictivity["baseline"]
    name, area = predictivity["name"], predictivity["area"]
    if score is None:
        said = f"In {area}, the {name} was compared, but its score is undefined"
    else:
        said = f"In {area}, the {name} predicts single units with a median noise-corrected r of {_text(score['value'])}"
    if baseline is not None:
        said += f", against {_text(baseline['value'])} for {baseline['name']}"
    rho, partial = (None if model is None else model[key]["value"] for key in ("rho", "partial"))
    if rho is None or partial is None:
        return f"{said}."
    return f"{said}; the RDMs correlate with ρ = {_text(rho)}, and {_text(partial)} once the labels are held constant."


def _text(value: float) -> str:
    text = f"{value:.2f}".replace("-", "−")
    return "0.00" if text == "−0.00" else text
