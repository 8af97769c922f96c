"""Recorded data sets: their kept tables, what these say, and how paper and pages show it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis import params
from analysis.core.errors import DataError
from paper import blocks, build, draw, expected
from paper.recorded import claims, keep, words
from paper.recorded.tables import Recorded, committed
from tests.paper import tables
from tests.paper.prose import text_of
from tests.project import ROOT

RHO = "\N{GREEK SMALL LETTER RHO}"


def contrast(**values) -> dict:
    return {
        "model": "hmo",
        "other": "pixels",
        "layer": "best",
        "region": "V4",
        "difference": 0.2,
        "p_holm": 0.01,
    } | values


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({}, claims.LARGER),
        ({"difference": -0.2}, claims.SMALLER),
        ({"p_holm": 0.05}, claims.UNDETECTED),
        ({"p_holm": None}, claims.ABSENT),
        ({"difference": None}, claims.ABSENT),
    ],
)
def test_verdict_on_a_contrast(values, verdict):
    assert claims.verdict(contrast(**values)) == verdict


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        ([{}], ("with", 1, 1, 0, 0)),
        ([{"model": "pixels", "other": "hmo", "difference": -0.2}], ("with", 1, 1, 0, 0)),
        ([{"difference": -0.2}], ("against", 1, 0, 1, 0)),
        ([{"p_holm": 0.4}], ("undecided", 1, 0, 0, 1)),
        ([{}, {"other": "simple_cnn", "difference": -0.1}], ("mixed", 2, 1, 1, 0)),
        ([{"other": "category"}], ("absent", 0, 0, 0, 0)),  # its accuracy is by construction
        ([{"other": "unknown"}], ("absent", 0, 0, 0, 0)),
        ([{"region": "IT"}], ("absent", 0, 0, 0, 0)),
        ([], ("absent", 0, 0, 0, 0)),
    ],
)
def test_performance_goes_with_predictivity_or_not(rows, counts):
    table = tables.table() | {"contrasts": [contrast(**row) for row in rows]}
    found = claims.performance(Recorded(table), "V4")
    assert tuple(found[key] for key in ("verdict", "pairs", "better", "worse", "undetected")) == counts


def test_models_of_equal_accuracy_do_not_count():
    table = tables.table() | {"contrasts": [contrast()]}
    table["models"]["pixels"]["accuracy"] = table["models"]["hmo"]["accuracy"]
    assert claims.performance(Recorded(table), "V4")["pairs"] == 0


def test_contrasts_of_the_chosen_layer_count_where_there_are_others():
    rows = Recorded(tables.table()).contrasts("V4")
    assert {row["layer"] for row in rows} == {"best"}
    of_tops = tables.table() | {"contrasts": [contrast(layer="top", system="V4")]}
    assert len(Recorded(of_tops).contrasts("V4")) == 1


def test_scores_are_those_of_the_layer_that_stands_for_a_model():
    corrected, geometry = Recorded(tables.table()), Recorded(tables.table("k", ("monkey IT",), "rho"))
    assert (corrected.measure("V4"), geometry.measure("monkey IT")) == ("r_corrected", "rho")
    assert corrected.score("hmo", "V4").value == pytest.approx(0.53)  # best
    assert geometry.score("hmo", "monkey IT").value == pytest.approx(0.52)  # top
    best = claims.of_area(corrected, "V4")["best"]
    assert (best["name"], best["rho_value"]) == ("hmo", None)


def test_a_system_without_neurons_is_no_area():
    found = Recorded(tables.table("k", ("human IT", "monkey IT"), "rho"))
    assert found.regions == ["monkey IT"]
    assert found.systems == ["monkey IT", "human IT"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([contrast()], "Performance goes with predictivity: in 1 of 1 paired contrasts"),
        ([contrast(difference=-0.2)], "predicts worse, in none better, and 0 show no detectable difference"),
        ([contrast(p_holm=0.9)], "no difference is detectable in any of 1 paired contrasts"),
        ([contrast(other="category")], None),
    ],
)
def test_the_sentences_follow_the_contrasts(rows, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("paper/recorded").mkdir(parents=True)
    tables.write(tmp_path, tables.table() | {"contrasts": rows})
    [sentence] = words.sentences()
    assert (
        "In V4 (data set `v4`, Cowley et al. 2023: 50 units, 640 images, median reliability 0.764), the highest"
        in sentence
    )
    assert "that of HMO, 0.530 (95 % interval 0.430 to 0.630; raw pixels: 0.210)" in sentence
    assert said in sentence if said else sentence.endswith("raw pixels: 0.210).")


def test_without_accuracies_models_are_compared_with_pixels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("paper/recorded").mkdir(parents=True)
    table = tables.table("kriegeskorte92", ("monkey IT",), "rho") | {"given": ["face", "animal"]}
    rows = [contrast(model=model, region="monkey IT", p_holm=p) for model, p in (("hmo", 0.01), ("simple_cnn", 0.2))]
    for model in table["models"].values():
        del model["accuracy"]
    table["models"]["hmo"]["layers"]["top"]["monkey IT"] |= {"partial": 0.1, "partial_low": 0.05, "partial_high": 0.15}
    tables.write(tmp_path, table | {"contrasts": rows})
    [sentence] = words.sentences()
    assert f"the highest correlation of RDMs, {RHO}, is that of HMO, 0.520 (95 % interval 0.420 to 0.620" in sentence
    assert f"With the labels face and animal held constant, its {RHO} is 0.100 (0.050 to 0.150)." in sentence
    assert sentence.endswith("1 of 2 models does better and none worse; for 1, no difference is detectable.")


# --- kept tables ---------------------------------------------------------------------------------


@pytest.fixture
def computed(tmp_path, monkeypatch):
    """A project folder in which the pipeline has computed the table of one data set."""
    monkeypatch.chdir(tmp_path)
    path = Path("recorded/v4/results/recorded.json")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(tables.table() | {"environment": {"python": "3.11", "image": {"revision": "here"}}}))
    return path


def test_a_table_is_kept_without_where_it_was_computed(computed):
    assert keep.keep("v4") == Path("paper/recorded/v4.json")
    kept = json.loads(Path("paper/recorded/v4.json").read_text())
    assert kept == json.loads(computed.read_text()) | {"environment": {"python": "3.11"}}
    assert list(keep.outdated()) == []


def test_a_kept_table_of_other_results_is_said_to_be(computed):
    keep.keep("v4")
    table = json.loads(computed.read_text())
    table["hashes"]["code"], table["environment"]["python"] = "other", "3.12"
    computed.write_text(json.dumps(table))
    assert list(keep.outdated()) == []
    table["models"]["hmo"]["accuracy"] = 0.5
    computed.write_text(json.dumps(table))
    [line] = keep.outdated()
    assert "differs from recorded/v4/results/recorded.json in models: python -m paper.recorded v4" in line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "not found"),
        ("{", "is damaged"),
        ('{"dataset": "v4"}', "has no key images, models, environment, hashes"),
        (json.dumps(tables.table("other")), "is of the data set other, not v4"),
    ],
)
def test_a_table_that_cannot_be_kept_is_named(computed, content, words):
    computed.unlink()
    if content is not None:
        computed.write_text(content)
    with pytest.raises(DataError, match=words) as error:
        keep.keep("v4")
    assert "\n" not in str(error.value)
    assert not Path("paper/recorded").exists()


def test_committed_tables_can_be_read():
    assert [one.name for one in committed()]


# --- paper and pages -----------------------------------------------------------------------------

RECORDING = {
    **{"units": 35, "visually_selective": 12, "listed": 11, "both": 10},
    **{"reliability": 0.181, "rsc": 0.075, "rsc_selective": 0.201, "rsc_across_trials": 0.049},
}


@pytest.fixture
def shown(project):
    """A project whose paper shows two recorded data sets and one recording."""
    recording = tables.table("An220105") | {"models": {}, "repeatability": {"V1": RECORDING}, "images": 300}
    tables.write(project, tables.table(), tables.table("kriegeskorte92", ("monkey IT",), "rho"), recording)
    draw.run(params.load())
    return project


def test_the_paper_shows_recorded_data_sets(shown):
    texts = json.loads(Path("paper/figures/alt.json").read_text())
    assert "Noise-corrected r, V4 rec.: HMO 0.530" in texts["predictivity"]
    assert f"monkey IT, recorded, 640 images: HMO {RHO} 0.520" in texts["geometry"]
    build.run(params.load())
    text = text_of("paper/report.pdf") + text_of("paper/supplement.pdf")
    for said in (
        "In V4, the highest median noise-corrected r is that of HMO, 0.530 (0.430 to 0.630); raw pixels reach 0.210",
        "Performance goes with predictivity: in 1 of",  # the page ends here
        f"In monkey IT, the highest correlation of RDMs ({RHO}) is that of HMO, 0.520 (0.420 to 0.620)",
        "12 of its units are visually selective (34.3 %; 28.1 % of all published units of V1",
        "the median over all units falls from 0.075 to 0.049",
        "paper/recorded/v4.json",  # in the colophon
        "Simulated data but for panels marked recorded",
    ):
        assert tables.says(text, said), said
    assert "Cowley et al. 2023" in Path("paper/report.html").read_text()


def test_a_data_set_with_two_tasks_is_drawn_once(project):
    classes = ["apple", "bear", "car", "chair", "dog", "elephant", "face", "plane"]
    objects = tables.table("v4_objects") | {"task": "object", "classes": classes, "chance": 1 / 8, "training": None}
    tables.write(project, tables.table(), objects)
    draw.run(params.load())
    assert json.loads(Path("paper/figures/alt.json").read_text())["predictivity"].count("V4 rec.: HMO") == 1
    build.run(params.load())
    said = "50 units), with models trained to tell 8 objects apart. In V4"
    assert tables.says(text_of("paper/report.pdf"), said)
    assert tables.says(text_of("paper/supplement.pdf"), "; models trained to tell 8 objects apart)")
    assert "`v4_objects` (Cowley et al. 2023, task of 8 objects)" in words.tables()


def test_without_tables_nothing_is_shown(project):
    build.run(params.load())
    assert "Recorded neurons" not in text_of("paper/supplement.pdf")
    assert words.sentences() == []
    assert words.tables() == "No table is committed yet."


def test_a_recording_alone_needs_no_figure(project):
    tables.write(project, tables.table("An220105") | {"models": {}, "repeatability": {"V1": RECORDING}})
    draw.run(params.load())
    build.run(params.load())
    assert "we reprocessed An220105 (V1, 35 units" in text_of("paper/supplement.pdf")


def test_pages_are_filled_from_the_tables(shown):
    Path("docs").mkdir()
    names = ("answer", "expected", "recorded")
    Path("README.md").write_text("".join(f"<!-- {name}: command -->\n<!-- /{name} -->\n" for name in names))
    blocks.fill(expected.texts())
    answer, table = blocks.block("answer"), blocks.block("recorded")
    assert answer.count("\n\nIn ") == 2
    assert "| `v4` (Cowley et al. 2023) | V4 | 50 | 640 | 0.764 | HMO 0.530 (0.430 to 0.630) |" in table
    assert "| `hmo` | 0.530 (0.430 to 0.630) | 0.520 (0.420 to 0.620) |" in table
    assert "| `An220105` | V1 | 35 | 12 | 11 | 10 | 0.181 | 0.201 | 0.075 | 0.049 |" in table
    assert "V4 of `v4`: HMO 0.530 (0.430 to 0.630)" in blocks.block("expected")


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [((0.05, 0.2), claims.LARGER), ((-0.2, -0.05), claims.SMALLER), ((-0.1, 0.2), claims.UNDETECTED)],
)
def test_what_is_left_beyond_the_labels_is_that_of_the_best_model_that_is_not_the_labels(ends, verdict):
    def model(name: str, rho: float, low: float, high: float) -> dict:
        partial = {"partial_value": (low + high) / 2, "partial_low": low, "partial_high": high}
        return {"name": name, "rho_value": rho} | partial

    found = [model("category", 0.9, 0.1, 0.2), model("hmo", 0.5, *ends), model("pixels", 0.2, 0.1, 0.2)]
    said = claims.beyond_labels(found)
    assert (said["name"], said["verdict"]) == ("hmo", verdict)
    assert claims.beyond_labels(found[:1]) is None


@pytest.mark.parametrize(
    ("better", "worse", "undetected", "sentence"),
    [
        (0, 0, 7, "no difference between raw pixels and any of the other 7 models is detectable."),
        (1, 0, 6, "1 of 7 models does better and none worse; for 6, no difference is detectable."),
        (3, 4, 0, "3 of 7 models do better and 4 worse."),
    ],
)
def test_models_are_told_from_pixels_in_words(better, worse, undetected, sentence):
    counts = {"pairs": better + worse + undetected, "better": better, "worse": worse, "undetected": undetected}
    area = {"performance": {"verdict": claims.ABSENT}, "against_pixels": counts | {"verdict": claims.WITH}}
    (said,) = words.contrasted(area)
    assert said.endswith(sentence)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["paper.expected"], "error: results/accuracy.csv not found: run the stage summary\n"),
        (["paper.recorded", "v4"], "error: recorded/v4/results/recorded.json not found: "),
    ],
)
def test_commands_before_there_are_results_end_in_one_line(tmp_path, command, said):
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
