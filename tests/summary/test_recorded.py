"""A recorded data set from data/raw to recorded.json, and the numbers of the real V4."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis import params, run
from analysis.core import paths
from analysis.core.files import sha256
from analysis.summary import recorded
from tests import recorded_set
from tests.project import ROOT
from tests.recorded_set import analysed, real_v4  # noqa: F401


@pytest.fixture
def results(analysed):  # noqa: F811
    return json.loads((analysed / "results" / "recorded.json").read_text())


def test_the_numbers_of_the_data(results, analysed):  # noqa: F811
    assert results["dataset"] == recorded_set.NAME
    assert (results["units"], results["images"], results["presentations"]) == (8, 40, 160)
    assert results["regions"] == {"V4": 5, "IT": 3}
    assert results["compared"]["images"] == 24  # of 20 groups of two, 8 test and 4 validation
    assert results["median_reliability"] == results["reference"]["median_reliability"]
    assert 0.5 < results["median_reliability"] < 1
    assert results["hashes"]["data"] == sha256(analysed / "data" / "raw" / "manifest.json")
    assert results["environment"]["locks"]["requirements.lock"] == sha256(ROOT / "requirements.lock")


def test_every_model_has_its_scores_and_they_are_those_of_the_tables(results, analysed):  # noqa: F811
    assert list(results["models"]) == sorted(recorded_set.MODELS)
    layers = pd.read_csv(analysed / "results" / "layers.csv")
    units = pd.read_csv(analysed / "results" / "units.csv", keep_default_na=False, na_values=[""])
    accuracy = pd.read_csv(analysed / "results" / "accuracy.csv").set_index(["model", "split"])
    for model, found in results["models"].items():
        in_it = units[(units["model"] == model) & (units["layer"] == "best") & (units["region"] == "IT")]
        chosen = in_it["r"]
        assert found["region"] == "IT"
        assert found["median_r"] == pytest.approx(chosen.median())
        assert found["median_r_low"] <= found["median_r"] <= found["median_r_high"]
        for name in ("accuracy", "balanced_accuracy"):
            assert found[name] == accuracy.loc[(model, "test"), name]
        assert found["layer"] in found["layers"]
        for row in layers[layers["model"] == model].itertuples():
            scores = found["layers"][row.layer][row.region]
            assert scores["r_corrected"] == pytest.approx(row.r_corrected)
            assert scores["median_r"] == pytest.approx(row.r)
    assert results["models"]["category"]["accuracy"] == 1


def test_units_that_weigh_brightness_and_category_are_found_to_do_so(results):
    models = results["models"]
    assert models["category"]["median_r"] > 0.3
    assert results["reference"]["pixels_median_r"] > 0.3


def test_contrasts_are_of_the_hmo_with_every_other_model(results):
    pairs = {(row["model"], row["other"]) for row in results["contrasts"]}
    assert pairs == {("hmo_report", "pixels"), ("hmo_report", "category")}
    assert {row["region"] for row in results["contrasts"]} == {"V4", "IT"}
    for row in results["contrasts"]:
        assert row["low"] <= row["difference"] <= row["high"]
        assert row["p_holm"] >= row["p"]


def test_two_models_that_see_the_images_say_nothing_of_performance(results):
    assert results["performance"] == {"V4": None, "IT": None}


def test_tests_of_geometry_reach_both_areas(analysed):  # noqa: F811
    tests = pd.read_csv(analysed / "results" / "tests.csv")
    assert set(tests["region"]) == {"V4", "IT"}
    rsa = pd.read_csv(analysed / "results" / "rsa.csv").set_index(["model", "layer", "region"])["rho"]
    for row in tests.itertuples():
        assert row.rho == pytest.approx(rsa[row.model, row.layer, row.region])


def test_without_repeats_ceilings_are_absent_and_the_rest_is_there(tmp_path):
    root = recorded_set.analyse(tmp_path, recorded_set.responses(repeats=1), ["pixels", "category"])
    results = json.loads((root / "results" / "recorded.json").read_text())
    assert results["median_reliability"] is None
    for model in results["models"].values():
        assert model["median_r"] is not None
        assert all(scores["V4"]["r_corrected"] is None for scores in model["layers"].values())
        assert all(scores["V4"]["median_r"] is not None for scores in model["layers"].values())


def four_objects() -> pd.DataFrame:
    return recorded_set.images().assign(category=["bus", "face", "car", "dog"] * 10, group="")


def put_other_images(folder, n: int = 60) -> None:
    """Write other faces and cars into ``other/images`` of a project, a folder for each."""
    for row in recorded_set.images(n).itertuples():
        path = folder / "other" / "images" / row.category / row.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(recorded_set.picture(row.file, n))


def test_the_task_of_the_models_is_said(results):
    about = {"task": "face", "classes": ["non-face", "face"], "chance": 0.5, "training": None}
    assert {key: results[key] for key in about} == about


def test_models_of_the_object_task_are_scored_on_it(tmp_path):
    given = recorded_set.responses()
    root = recorded_set.analyse(tmp_path, given, ["hmo_report", "pixels", "category"], four_objects(), task="object")
    results = json.loads((root / "results" / "recorded.json").read_text())
    about = {"task": "object", "classes": ["bus", "car", "dog", "face"], "chance": 0.25, "training": None}
    assert {key: results[key] for key in about} == about
    assert results["models"]["category"]["accuracy"] == 1
    predicted = pd.read_csv(root / "models" / "pixels" / "predictions.csv")
    assert set(predicted["predicted"]) == set(about["classes"])
    decoded = pd.read_csv(root / "results" / "decoding.csv").query("model == 'category'")
    assert set(decoded["level"]) == {"all", *about["classes"]}
    assert set(decoded[decoded["level"] != "all"]["measure"]) == {"called correctly"}
    scores = decoded.query("level == 'all'").set_index("system")["score"]
    assert scores["model"] > 0.4  # the categories, with the noise of the units
    levels = pd.read_csv(root / "results" / "levels.csv").query("system == 'category'")
    assert (levels["score"] == 1).all()
    learning = pd.read_csv(root / "results" / "learning.csv")
    assert set(learning["n_train"]) == {16}
    shared = pd.read_csv(root / "results" / "beyond_label.csv").query("model == 'pixels' and recording == 'all'")
    rho = shared.set_index("measure")["value"]
    assert rho["rho_given_label"] == pytest.approx(rho["rho_given_category"])


@pytest.mark.parametrize("known", [True, False])
def test_with_other_images_to_train_on_units_are_predicted_on_all_images(tmp_path, known):
    """Whether or not it is known what those images show."""
    put_other_images(tmp_path)
    table = four_objects() if known else four_objects().assign(category="")
    given = {"table": table, "training": "other", "task": "object"}
    root = recorded_set.analyse(tmp_path, recorded_set.responses(), ["pixels", "category"], **given)
    results = json.loads((root / "results" / "recorded.json").read_text())
    about = {"task": "object", "classes": ["car", "face"], "training": {"folder": "other", "images": 60}}
    assert {key: results[key] for key in about} == about
    assert (results["images"], results["compared"]["images"]) == (40, 40)
    metrics = json.loads((root / "models" / "pixels" / "metrics.json").read_text())
    assert sum(metrics["n"].values()) == 60
    assert metrics["accuracy"] > 0.7
    assert results["models"]["pixels"]["median_r"] > 0.3
    units = pd.read_csv(root / "results" / "units.csv")
    assert set(units["n_images"]) == {40}


def test_two_hmo_models_make_one_pair():
    values = params.load(ROOT / "params.yaml")
    pairs = recorded.pairs_of(params.of_data_set(values, "v4"))
    assert len(pairs) == len({frozenset(pair) for pair in pairs}) == 2 * len(values.recorded.models) - 3
    assert ("hmo_report", "hmo") in pairs


def test_no_stage_writes_outside_the_data_set(analysed):  # noqa: F811
    project = analysed.parents[1]
    assert {path.name for path in project.iterdir()} == {"data", "params.yaml", "recorded", "store"}
    assert [path.name for path in (project / "data").iterdir()] == [".locks"]  # .dvc, which holds them, is not made


def test_recordings_of_which_no_image_is_at_hand_have_no_scores(analysed, monkeypatch):  # noqa: F811
    monkeypatch.chdir(analysed)
    values = params.of_data_set(params.load(analysed.parents[1] / "params.yaml"), recorded_set.NAME)
    found = recorded.reference([], values)
    assert found["images"] == 0
    assert np.isnan(found["median_reliability"])
    assert np.isnan(found["pixels_median_r"])


def test_grey_pixels_are_means_of_blocks():
    images = np.random.default_rng(0).integers(0, 256, (2, 1, 112, 112), dtype=np.uint8).repeat(3, axis=1)
    found = recorded.grey_pixels(images)
    means = images[:, 0].reshape(2, 16, 7, 16, 7).mean(axis=(2, 4)).reshape(2, -1)
    assert np.abs(found - means).max() < 1e-4


def test_the_real_session_has_the_reliability_and_pixels_of_independent_code(real_v4, tmp_path, monkeypatch):  # noqa: F811
    """Facts from other code: median reliability .764, ridge on 16 x 16 grey pixels median r .262."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    for stage in (["acquire"], ["stimuli"], ["recordings", "corrected"]):
        run.run_stage(*stage, dataset="v4")
    values = params.of_data_set(params.load(), "v4")
    with paths.inside("v4"):
        found = recorded.reference(recorded.everything_shown(), values)
    assert found["images"] == 640
    assert found["median_reliability"] == pytest.approx(0.764, abs=0.02)
    assert found["pixels_median_r"] == pytest.approx(0.262, abs=0.02)
