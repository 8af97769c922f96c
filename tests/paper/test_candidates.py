"""The section and the figures of the candidates, from tables that the stage itself makes of drawn scores."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import params
from analysis.candidates import ablation, search, stage
from analysis.core.files import write_csv, write_json
from paper import build, draw, results
from paper.claims import search as claims
from paper.plots.candidates import read as candidates
from tests.paper.prose import text_of_papers

AREAS = ("V1", "AIT", "IT")


def write(folder: Path) -> dict[str, pd.DataFrame]:
    """Write results of the stage: better candidates predict IT better, and trained filters are worth 10 points."""
    rng = np.random.default_rng(5)
    tried, predictivity = [], []
    for shift, kind in enumerate(search.KINDS):
        for number in range(12):
            accuracy = rng.uniform(0.5, 0.8) + 0.05 * shift
            tried.append((kind, number, 1, 8, 0.3, 0.1, accuracy, None))
            for area in AREAS:
                share = accuracy - 0.5 + rng.normal(0, 0.05) if area == "IT" else rng.normal()
                predictivity.append((kind, number, accuracy, area, 20, share / 2, share))
    runs = [
        (name, seed, value, value, 0.7, 12.0, None)
        for name in (*ablation.VARIANTS, ablation.REPORT)
        for seed in range(5)
        for value in [0.7 + 0.01 * seed + {"trained": 0.1, "margin": 0.002 * (seed - 2)}.get(name, 0.0)]
    ]
    found = {
        "candidates": pd.DataFrame(tried, columns=search.CANDIDATES),
        "predictivity": pd.DataFrame(predictivity, columns=search.PREDICTIVITY),
        "runs": pd.DataFrame(runs, columns=ablation.RUNS),
    }
    found["correlations"] = pd.DataFrame(
        [("V1", 12, 0.1, -0.5, 0.6, np.nan, np.nan, np.nan), ("AIT", 12, 0.3, -0.2, 0.7, 0.2, -0.3, 0.7),
         ("IT", 12, 0.9, 0.7, 0.96, 0.8, 0.3, 1.3)],
        columns=search.CORRELATIONS,
    )  # fmt: skip
    found["searches"] = search.compare_searches(found["candidates"], found["predictivity"])
    found["differences"] = ablation.differences(found["runs"])
    for name, table in found.items():
        write_csv(folder / f"{name}.csv", table)
    write_json(
        folder / "summary.json", stage._summary(found["candidates"], found["correlations"], found["differences"])
    )
    return found


def test_the_section_tells_what_the_searches_found(project):
    found = write(project / "results" / "candidates")
    values = params.load()
    draw.run(values)
    build.run(values)
    text = text_of_papers()
    assert "r = 0.90 (0.70 to 0.96)" in text
    assert "0.80 (0.30 to 1.30), shows that the relation is closer in IT" in text
    ranks = found["searches"].set_index(["kind", "region"])["predictivity_rank"]
    assert f"predicts IT better than {100 * ranks['performance', 'IT']:.1f}" in text
    assert re.search(r"trained filters 8\d\.0\s%  ?10\.0 12", text)  # an interval of no width is not printed
    assert "0.0 (\N{MINUS SIGN}0.4 to 0.4)" in text
    assert "Accuracy is detectably higher with trained filters." in text
    assert "HMO costs 12 billion operations and the report HMO 12" in text
    assert "a difference from HMO of 0.0 percentage points" in text
    assert "0.55" in text
    texts = json.loads(Path("paper/figures/alt.json").read_text())
    assert "Correlation by area: V1 0.10 (\N{MINUS SIGN}0.50 to 0.60)" in texts["candidates"]
    sources = json.loads(Path("paper/figures/sources.json").read_text())
    assert sources["candidates"] == ["candidates/predictivity.csv", "candidates/searches.csv"]


@pytest.mark.parametrize(
    ("gain", "better", "worse"), [(0.1, ["trained filters"], []), (-0.1, [], ["trained filters"]), (0.0, [], [])]
)
def test_components_are_judged_by_their_interval(project, gain, better, worse):
    write(project / "results/candidates")
    path = project / "results/candidates/summary.json"
    found = json.loads(path.read_text())
    ends = {"difference": gain, "ci_low": gain - 0.05, "ci_high": gain + 0.05}
    found["ablation"]["trained"]["accuracy"] |= ends
    found["ablation"]["report"]["accuracy"]["search_gflop"] = 16
    path.write_text(json.dumps(found))
    said = claims.components(results.read())
    assert (said["better"], said["worse"]) == (better, worse)
    assert said["changed"] == 4  # all variants but the full procedure and the report HMO
    assert not said["alike"]  # 16 against 12 billion operations


def test_without_images_to_search_on_nothing_is_drawn(project, monkeypatch):
    monkeypatch.setattr(stage, "OUT", project / "results" / "candidates")
    stage._write_nothing("no image labelled face", "none of the images was annotated")
    assert not candidates.is_drawable(results.read())
    assert "candidates" not in draw.plots_for(results.read())
