"""The page: what it holds."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from analysis import params
from analysis.core.errors import DataError
from paper import build, draw, vega
from paper.claims import build as claims
from paper.page import audit_walk, scores, tables
from paper.page.build import OUTPUT
from paper.results import read
from tests.paper.tables import table, write


def data_of(page: Path) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)[1])


class Elements(HTMLParser):
    """Collect the identifiers, the targets of links and the addresses of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.sources, self.images = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs["href"]] if tag == "a" else []
        self.sources += [attrs[name] for name in ("src", "srcset", "data") if name in attrs]
        self.images += [attrs] if tag == "img" else []


def test_the_page_asks_for_nothing_and_its_links_lead_somewhere(page):
    found = Elements(page.read_text())
    assert len(found.ids) == len(set(found.ids))
    assert all(link[1:] in found.ids for link in found.links if link.startswith("#"))
    assert [link for link in found.links if not link.startswith("#")] == ["report.pdf", "supplement.pdf"]
    assert all(source.startswith("data:") for source in found.sources)
    assert page.stat().st_size < 4e6


def test_the_page_says_that_its_data_are_simulated(page):
    text = page.read_text()
    assert '<p class="source"><strong>Simulated data.</strong>' in text
    assert text.count("Simulated data.") == 3  # the page, the RDMs, the recording


def test_numbers_of_the_page_follow_the_results(project):
    layers = pd.read_csv("results/layers.csv")
    chosen = (layers.model == "hmo_report") & (layers.region == "AIT") & layers.layer.isin(["top", "best"])
    layers.loc[chosen, "r_corrected"] = 0.777
    layers.to_csv("results/layers.csv", index=False)
    draw.run(params.load())
    build.run(params.load())
    text = Path(OUTPUT).read_text()
    assert "In AIT, the report HMO predicts single units with a median noise-corrected r of 0.78" in text
    assert text.count('<td data-v="0.777">0.777</td>') == 3  # top layers; top and best of all layers
    rows = data_of(Path(OUTPUT))["sets"][0]["scores"]
    assert [
        row["value"]
        for row in rows
        if (row["model"], row["area"], row["measure"]) == ("report HMO", "AIT", "r_corrected")
    ] == [0.777]


def test_the_headline_of_the_claims_opens_the_page(project):
    said = json.loads(Path("paper/claims.json").read_text()) | {"headline": "It does <not>."}
    Path("paper/claims.json").write_text(json.dumps(said))
    build.run(params.load())
    assert '<h1 id="finding">It does &lt;not&gt;.</h1>' in Path(OUTPUT).read_text()


def test_without_scores_the_finding_claims_nothing(project):
    layers = pd.read_csv("results/layers.csv")
    layers["r_corrected"] = float("nan")
    layers.to_csv("results/layers.csv", index=False)
    assert "its score is undefined" in claims.work_out(read())["headline"]


def test_recorded_data_sets_stand_beside_the_experiment(project):
    write(project, table(), table("kriegeskorte92", ("monkey IT",), "rho"))
    found = {one["key"]: one for one in scores.data_sets(read())}
    assert list(found) == ["experiment", "v4", "kriegeskorte92"]
    hmo = next(row for row in found["v4"]["scores"] if row["model"] == "HMO" and row["measure"] == "r_corrected")
    assert (hmo["value"], hmo["low"], hmo["high"], hmo["n"]) == (0.53, 0.43, 0.63, "50 units")
    assert {row["measure"] for row in found["kriegeskorte92"]["scores"]} == {"rho"}
    layers = [row["layer"] for row in found["v4"]["layers"] if row["model"] == "HMO"]
    assert layers == ["l1", "l2", "top"]


def test_layers_stand_in_their_depth_whatever_the_order_of_their_names(project):
    one = table()
    names = ["block10", "block9", "head", "stem"]
    one["models"]["hmo"]["layers"] = dict.fromkeys(names, one["models"]["hmo"]["layers"]["l1"])
    write(project, one)
    rows = scores.data_sets(read())[1]["layers"]
    assert [row["layer"] for row in rows if row["model"] == "HMO"] == ["stem", "block9", "block10", "head"]


def test_geometry_has_the_ceiling_of_its_recordings(project):
    row = next(row for row in scores.data_sets(read())[0]["scores"] if row["measure"] == "rho")
    assert (row["floor"], row["roof"], row["ceiling"]) == (0.6, 0.7, "noise ceiling 0.60 to 0.70")
    assert row["n"] == "1 recording"


def test_the_walk_leads_from_the_report_to_the_correction(walked):
    walk = audit_walk.steps(read())["walks"]
    assert [(step["choice"], step["before"], step["after"]) for step in walk["r2"]] == [
        ("match to images", -1.0, -0.75),
        ("regression", -0.75, 0.125),
    ]
    assert [step["decisive"] for step in walk["r2"]] == [True, False]
    assert set(walk) == {"r2"}  # rho of the start is undefined


def test_every_choice_in_which_the_protocols_differ_is_told():
    from analysis.audit.protocol_steps.choices import FIELDS

    assert set(FIELDS) <= audit_walk.CHOICES.keys()
    assert all(report != corrected for report, corrected in audit_walk.CHOICES.values())


def test_without_an_audit_there_is_no_walk(project):
    assert audit_walk.steps(read()) is None


def test_the_page_of_dvc_holds_its_script_and_the_places_of_its_charts(page):
    text = (page.parent / "figures/plots.html").read_text()
    assert vega.script() in text
    assert "{plot_divs}" in text
    assert "</script" not in vega.script()  # it would end the element that holds it


def test_the_page_has_the_same_bytes_twice(project):
    build.run(params.load())
    first = Path(OUTPUT).read_bytes()
    build.run(params.load())
    assert Path(OUTPUT).read_bytes() == first


def test_gaze_and_spikes_are_those_of_the_results(page):
    recorded = json.loads((page.parents[1] / "results/example.json").read_text())["recording"]
    shown = data_of(page)["example"]
    assert shown["units"] == recorded["units"]
    assert [image["presentations"] for image in shown["images"]] == [i["presentations"] for i in recorded["images"]]
    assert {image["category"] for image in shown["images"]} == {"no category"}
    assert shown["screen"] == "rgb(100 100 100)"


def test_images_of_the_rdms_are_those_with_a_thumbnail(project):
    example = json.loads(Path("results/example.json").read_text())
    stems = sorted(example["thumbnails"])[:10]
    example["thumbnails"] = {stem: example["thumbnails"][stem] for stem in stems}
    Path("results/example.json").write_text(json.dumps(example))
    build.run(params.load())
    rdm = data_of(Path(OUTPUT))["rdm"]
    assert len(rdm["category"]) == len(rdm["thumbnails"]) == 10
    assert rdm["thumbnails"].count(None) == 1


def test_without_the_rasters_the_page_says_so(project):
    example = json.loads(Path("results/example.json").read_text())
    example |= {"recording": None, "missing": "data/raw/dandiset/sub-Aa/a.nwb"}
    Path("results/example.json").write_text(json.dumps(example))
    build.run(params.load())
    assert "data/raw/dandiset/sub-Aa/a.nwb not found" in Path(OUTPUT).read_text()


def test_what_the_results_say_is_escaped(project):
    summary = json.loads(Path("results/summary.json").read_text())
    Path("results/summary.json").write_text(json.dumps(summary | {"missing": ["<b>recording</b> & more"]}))
    build.run(params.load())
    text = Path(OUTPUT).read_text()
    assert "&lt;b&gt;recording&lt;/b&gt; &amp; more." in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.500"), (-0.25, "\N{MINUS SIGN}0.250"), (-0.0001, "0.000"), (float("nan"), "\N{EN DASH}")],
)
def test_numbers_are_written_with_a_true_minus_and_no_negative_zero(value, text):
    assert tables.format_number(value) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1e-6, "≤ 0.001"),
        (1 / 1001, "≤ 0.001"),
        (0.001, "≤ 0.001"),
        (0.002, "0.002"),
        (0.25, "0.250"),
        (float("nan"), "\N{EN DASH}"),
    ],
)
def test_p_values_at_the_floor_of_resampling_are_bounds(p, text):
    assert tables.format_p(p) == text


def test_without_the_list_of_data_files_there_is_no_paper(project):
    Path("data/raw/manifest.json").unlink()
    with pytest.raises(DataError, match=r"manifest\.json is missing: run the stage acquire"):
        build.run(params.load())
