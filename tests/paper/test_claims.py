"""Claims: each number and verdict, on cases that were built to have them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paper import results
from paper.claims import audit, build, geometry, headline, models, truth, verdicts


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.2, 0.1, 0.3, verdicts.LARGER),
        (-0.2, -0.3, -0.1, verdicts.SMALLER),
        (0.2, -0.1, 0.5, verdicts.UNDETECTED),
        (0.2, 0.0, 0.5, verdicts.UNDETECTED),
        (0.0, 0.0, 0.0, verdicts.ABSENT),
        (np.nan, 0.1, 0.2, verdicts.ABSENT),
        (0.2, None, None, verdicts.ABSENT),
    ],
)
def test_verdict_of_an_interval(value, low, high, verdict):
    assert verdicts.estimate(value, low, high)["verdict"] == verdict


@pytest.mark.parametrize(
    ("difference", "p", "verdict"),
    [
        (0.2, 0.049, verdicts.LARGER),
        (-0.2, 0.001, verdicts.SMALLER),
        (0.2, 0.05, verdicts.UNDETECTED),
        (0.0, 0.001, verdicts.UNDETECTED),
        (0.2, np.nan, verdicts.ABSENT),
    ],
)
def test_verdict_of_a_test(difference, p, verdict):
    assert verdicts.p_verdict(difference, p) == verdict


def test_a_contrast_seen_from_the_other_model_is_turned_round():
    contrast = {"model": "a", "other": "b", "name": "A", "other_name": "B", "difference": 0.2, "low": 0.1, "high": 0.3}
    turned = models.oriented(contrast | {"verdict": verdicts.LARGER}, "b")
    assert turned == {
        **{"model": "b", "other": "a", "name": "B", "other_name": "A"},
        **{"difference": -0.2, "low": -0.3, "high": -0.1, "verdict": verdicts.SMALLER},
    }


def test_the_order_of_areas_is_tested_exactly():
    rho, p = models.order_test([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (rho, p) == (pytest.approx(1.0), pytest.approx(2 / 120))
    rho, p = models.order_test([5.0, 4.0, 3.0, 2.0, 1.0])
    assert rho == pytest.approx(-1.0)
    assert models.order_test([1.0, 2.0, 3.0]) == (None, None)
    assert models.order_test([1.0] * 5) == (None, None)


@pytest.mark.parametrize(
    ("overall", "within", "verdict"),
    [
        (verdicts.LARGER, verdicts.UNDETECTED, audit.BLOCKS),
        (verdicts.LARGER, verdicts.LARGER, audit.WITHIN),
        (verdicts.UNDETECTED, verdicts.LARGER, verdicts.UNDETECTED),
        (verdicts.ABSENT, verdicts.ABSENT, verdicts.ABSENT),
    ],
)
def test_verdict_on_a_confounded_table(overall, within, verdict):
    assert audit._judge_confound(overall, within) == verdict


def test_power_is_read_where_blocks_and_labels_can_be_told_apart():
    rows = [
        (0.5, False, 0.04, 0.01, 0.2, 0.0),
        (0.9, False, 0.8, 0.6, 0.9, 0.0),
        (0.9, True, 0.02, 0.0, 0.1, 0.0),
        (1.0, False, 0.0, 0.0, 0.1, 1.0),
    ]
    names = ["share", "informative", "blocks", "blocks_low", "blocks_high", "not_identifiable"]
    said = audit.power(pd.DataFrame(rows, columns=names))
    assert said["none"]["value"] == 0.04
    assert (said["strong"]["value"], said["degree"], said["limit"]) == (0.8, 0.9, 1.0)
    assert (said["false_alarm"], said["false_alarm_high"]) == (0.02, 0.1)


def test_claims_are_those_of_the_tables(fabricated):
    said = build.work_out(results.read(fabricated))
    layers = pd.read_csv(fabricated / "layers.csv").query("layer == 'best' and region == 'AIT'").set_index("model")
    found = said["predictivity"]
    assert (found["area"], found["first"]["value"]) == ("AIT", pytest.approx(layers.r_corrected["hmo_report"]))
    assert found["beats"] == ["pixels"]
    assert (found["loses_to"], found["ties_with"]) == ([], [])
    beyond = pd.read_csv(fabricated / "beyond_label.csv")
    beyond = beyond.query("model == 'hmo_report' and recording == 'all' and region == 'AIT'").set_index("measure")
    assert said["geometry"]["first"]["partial"]["value"] == pytest.approx(beyond.value["rho_given_both"])
    assert [one["area"] for one in said["layers"]["mean"]] == ["V1", "V2", "V4", "PIT", "CIT", "AIT"]
    assert said["layers"]["verdict"] == verdicts.LARGER  # chosen so
    assert said["audit"] is said["performance"] is None
    seeds = said["seeds"]
    assert (seeds["seeds"], seeds["mean"], seeds["sd"]) == (3, pytest.approx(0.4), pytest.approx(0.1))
    (one,) = seeds["models"]  # pixels have a single one
    assert (one["key"], one["accuracy"]["least"], one["accuracy"]["most"]) == ("hmo_report", 0.8, pytest.approx(0.82))
    json.dumps(said, allow_nan=False)


def test_without_compared_models_there_are_no_claims_on_them(fabricated, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(fabricated, folder)
    for name in results.COLUMNS:
        pd.read_csv(folder / f"{name}.csv")[:0].to_csv(folder / f"{name}.csv", index=False)
    said = build.work_out(results.read(folder))
    assert said["predictivity"] is said["geometry"] is said["layers"] is said["task"] is None


def test_areas_that_are_missing_change_the_main_area(fabricated, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(fabricated, folder)
    for path in folder.glob("*.csv"):
        table = pd.read_csv(path)
        if "region" in table:
            table[table.region.isin(["V1", "V4"])].to_csv(path, index=False)
    said = build.work_out(results.read(folder))
    assert said["predictivity"]["area"] == said["geometry"]["area"] == "V4"
    assert said["layers"]["verdict"] == verdicts.ABSENT  # two areas have no order that could be tested


def test_recorded_data_have_no_planted_truth(tmp_path, fabricate_results):
    said = build.work_out(results.read(fabricate_results(Path(tmp_path / "results"), source="real")))
    assert (said["source"], said["calibration"]) == ("real", None)


def test_significant_tests_are_those_of_the_top_layers(fabricated, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(fabricated, folder)
    table = pd.read_csv(folder / "tests.csv")
    top = (table.model == "pixels") & (table.layer == "pixels") & (table.region == "V1")
    assert top.sum() == 1
    before = geometry.geometry(results.read(folder))["tests"]
    table.loc[top, "p_max"] = 0.05  # not below it
    table.loc[(table.layer != "top") & (table.layer != "pixels"), "p_max"] = 0.9
    table.to_csv(folder / "tests.csv", index=False)
    after = geometry.geometry(results.read(folder))["tests"]
    assert (after["tested"], after["significant"]) == (before["tested"], before["significant"] - 1)


def test_a_detected_contrast_names_the_better_model_first(fabricated, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(fabricated, folder)
    table = pd.read_csv(folder / "contrasts.csv")
    table[["difference", "low", "high"]] = -0.123, -0.205, -0.041
    table.to_csv(folder / "contrasts.csv", index=False)
    said = models.predictivity(results.read(folder))
    assert [(one["model"], one["other"], one["difference"]) for one in said["detected"]] == [
        ("pixels", "hmo_report", 0.123)
    ]
    assert said["loses_to"] == ["pixels"]
    assert {top["key"] for top in said["tops"]} == {"hmo_report", "simple_cnn", "pixels"}  # not the report's protocol


def test_the_report_is_scored_in_its_latest_area(fabricated):
    found = results.read(fabricated)
    rows = found.rsa[(found.rsa.model == "as_reported") & (found.rsa.layer == "top") & (found.rsa.region == "AIT")]
    said = geometry.geometry(found)["report"]
    assert (said["area"], said["rho"]) == ("AIT", pytest.approx(rows.rho.mean()))


def test_ceilings_of_drifting_units_are_told_apart(fabricated, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(fabricated, folder)
    table = pd.read_csv(folder / "validation.csv")
    table["drifting"] = [True, True, *[False] * (len(table) - 2)]
    table.loc[[0, 1], ["ceiling", "explainable"]] = [[0.5, 0.2], [0.3, 0.4]]
    table.to_csv(folder / "validation.csv", index=False)
    assert truth.planted_ceilings(results.read(folder))["drifting_bias"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("score", "baseline", "rho", "said"),
    [
        (
            0.25,
            0.1,
            0.16,
            "predicts single units with a median noise-corrected r of 0.25, against 0.10 for pixels; the",
        ),
        (None, None, None, "was compared, but its score is undefined."),
        (-0.001, None, None, "with a median noise-corrected r of 0.00."),
        (
            -0.2,
            None,
            0.1,
            "r of \N{MINUS SIGN}0.20; the RDMs correlate with \N{GREEK SMALL LETTER RHO} = 0.10, and 0.10",
        ),
    ],
)
def test_the_headline_says_what_is_defined(score, baseline, rho, said):
    found = {"name": "report HMO", "area": "AIT", "first": None if score is None else {"value": score}}
    found["baseline"] = None if baseline is None else {"value": baseline, "name": "pixels"}
    geometry = {"first": {"rho": {"value": rho}, "partial": {"value": rho}}}
    assert said in headline.sentence(found, geometry)
    assert headline.sentence(None, None) == "No model could be compared with the available data."
