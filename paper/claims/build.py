"""All claims of the paper, from the results and the committed tables of recorded data sets."""

from pathlib import Path

from analysis.core.files import as_json, write_json
from analysis.core.reading import read_json
from paper.claims import audit, explain, geometry, headline, models, search, timing, truth
from paper.recorded.claims import of_set
from paper.recorded.tables import committed
from paper.results import Results

OUTPUT = Path("paper/claims.json")


def work_out(results: Results) -> dict:
    """Return every claim as JSON values.

    Returns
    -------
    dict
        ``headline``: the finding in one sentence; ``source``, ``missing``; ``task``, ``predictivity``, ``geometry``,
        ``layers`` (None where no model was compared); ``contrasts`` in all areas; ``performance``, ``components``,
        ``audit``, ``seeds``, ``explain``, ``timing``, ``calibration`` (None where they were not computed); ``truth``:
        what simulations with known truth say of the methods; ``recorded``: one entry for each committed table.
    """
    compared = results.roles()["first"] is not None
    predictivity, similarity = (models.predictivity(results), geometry.geometry(results)) if compared else (None, None)
    return as_json(
        {
            "headline": headline.sentence(predictivity, similarity),
            "source": results.source,
            "missing": results.summary["missing"],
            "task": models.task(results) if compared else None,
            "predictivity": predictivity,
            "seeds": models.seeds(results) if compared else None,
            "geometry": similarity,
            "contrasts": models.of_contrasts(results) if compared else [],
            "performance": search.performance(results) if compared else None,
            "components": search.components(results) if compared else None,
            "layers": models.layers(results) if compared else None,
            "audit": audit.audit(results),
            "explain": explain.explain(results),
            "timing": timing.timing(results) if compared else None,
            "calibration": truth.planted_ceilings(results) if compared else None,
            "truth": truth.truth(),
            "recorded": [of_set(found) for found in committed()],
        }
    )


def write(results: Results) -> dict:
    """Write the claims to `OUTPUT`; return them."""
    claims = work_out(results)
    write_json(OUTPUT, claims)
    return claims


def read() -> dict:
    """Read the claims.

    Raises
    ------
    DataError
        If they are missing or damaged.
    """
    return read_json(OUTPUT, "run the stage figures", dict)
