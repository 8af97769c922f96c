"""The section and the figure of the time course, from tables in the form that the stage writes."""

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis.core.errors import DataError
from analysis.core.files import write_csv, write_json
from analysis.timing.stage import BINS, SCORES
from paper import draw, expected, results, style
from paper.claims import timing as claims
from paper.plots.supplement import timing
from tests.paper.prose import supplement_on_one_page

LATENCY = {"V1": 40.0, "AIT": 100.0}
NAMES = ("hmo_report", "pixels")


def write(folder: Path, first_reliable: int = 100, pixels: float = 0.1) -> None:
    """Write the tables of two areas; responses in AIT are reliable from `first_reliable` ms, in V1 from 50 ms.

    After later fixations they always are. Scores have an interval of 0.2 to either side: 0.5, and `pixels`.
    """
    bins, scores = [], []
    for area, latency in LATENCY.items():
        for part in ("zeroth", "later"):
            for start in range(0, 300, 50):
                where = {"region": area, "part": part, "start_ms": start, "stop_ms": start + 50}
                reliable = part == "later" or start >= {"V1": 50, "AIT": first_reliable}[area]
                found = {"reliability": 0.3, "reliability_low": 0.1, "reliability_high": 0.5, "reliable": reliable}
                bins.append(where | {"n_images": 60, "n_units": 12, "latency_ms": latency} | found)
                for model, r in zip(NAMES, (0.5, pixels), strict=True):
                    r = r if reliable else None
                    ends = {"r_corrected_low": r and r - 0.2, "r_corrected_high": r and r + 0.2}
                    scores.append({"model": model, "r_corrected": r, "r": 0.1} | where | ends)
    write_csv(folder / "bins.csv", pd.DataFrame(bins, columns=BINS))
    write_csv(folder / "scores.csv", pd.DataFrame(scores, columns=SCORES))
    write_json(folder / "summary.json", {"edges_ms": list(range(0, 301, 50)), "skipped": {}})


def draw_it() -> str:
    """Draw the figure beside the others, which the project has, and the claims; return its alternative text."""
    found, folder = results.read(), Path("paper/figures")
    texts, sources = (json.loads((folder / name).read_text()) for name in ("alt.json", "sources.json"))
    said = draw.claims.write(found)
    for name, how in draw.plots_for(found).items():
        if name == "timing":
            texts[name], sources[name] = draw.draw_figure(found, said, name, how)
    write_json(folder / "alt.json", texts)
    write_json(folder / "sources.json", sources)
    return texts.get("timing", "")


def test_claims_count_bins_before_and_after_the_latency(project):
    write(project / "results/timing", first_reliable=150)
    said = claims.timing(results.read())
    assert (said["first"], said["last"], said["width"]) == (0, 300, 50)
    assert said["early"] == {"zeroth": 0, "later": 2, "of": 2}  # AIT, 0 and 50 ms; none of V1 ends by 40 ms
    assert said["late"] == {"zeroth": 5 + 3, "later": 5 + 4, "of": 5 + 4}
    assert (said["area"], said["latency"], said["onset"]) == ("AIT", 100.0, 150)
    network, pixels = said["models"]
    assert (network["key"], network["larger"], network["of"]) == ("hmo_report", 3, 3)
    assert (pixels["key"], pixels["larger"], pixels["undetected"], pixels["of"]) == ("pixels", 0, 3, 3)


@pytest.mark.parametrize(
    ("first", "sentences"),
    [
        (
            100,
            [
                "After image onset, none of the 2 bins that end by the median latency of their area have reliable "
                "responses, and 9 of the 9 bins that begin after it do.",
                "In AIT, responses are first reliable in the bin that begins at 100 ms (median latency 100 ms).",
                "There, the score lies above zero in 4 of 4 bins for the report HMO and 0 of 4 bins for pixels.",
                "and 2 of the 2 bins before the latency hold reliable responses to what was fixated on it before.",
                "In the simulation, the response to a fixation starts one latency after",
            ],
        ),
        (
            50,
            [
                "After image onset, 1 of the 2 bins that end by the median latency of their area has reliable",
                "in the bin that begins at 50 ms",
            ],
        ),
        (400, ["In AIT, no bin after image onset has reliable responses."]),
    ],
)
def test_the_section_states_what_the_tables_show(project, first, sentences):
    write(project / "results/timing", first)
    draw_it()
    text = supplement_on_one_page()
    assert [one for one in sentences if one not in text] == []


def test_the_figure_shades_bins_without_reliable_responses_and_marks_the_latency(project):
    write(project / "results/timing")
    alternative = draw_it()
    assert "AIT, from image onset, bins that start at 100, 150, 200, 250 ms: report HMO 0.50, 0.50" in alternative
    with style.applied():
        figure, _ = timing.draw(results.read(), {})
    panels = figure.axes
    assert [axes.get_title() for axes in panels] == ["V1", "AIT", "", ""]
    spans = [[(patch.get_x(), patch.get_width()) for patch in axes.patches] for axes in panels]
    assert spans == [[(0, 50)], [(0, 50), (50, 50)], [], []]
    ends = [[tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2] for axes in panels]
    verticals = [[first for first, last in lines if first == last] for lines in ends]
    assert verticals == [[40.0], [100.0], [40.0], [100.0]]
    assert expected.EXPECTED["timing"](results.read()) == (
        "first bin after image onset with reliable responses in AIT: the one that begins at 100 ms"
    )


def test_without_scores_there_is_neither_figure_nor_claim(project):
    folder = project / "results/timing"
    write(folder)
    write_csv(folder / "scores.csv", pd.DataFrame(columns=SCORES))
    assert draw_it() == ""
    assert claims.timing(results.read()) is None
    assert "Time course" not in supplement_on_one_page()


def test_a_table_that_is_gone_is_named(project):
    write(project / "results/timing")
    (project / "results/timing/bins.csv").unlink()
    with pytest.raises(DataError, match=r"bins\.csv not found: run the stage timing"):
        draw_it()
