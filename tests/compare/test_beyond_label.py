"""What a top layer shares with an area beyond the labels of the images."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from analysis.compare import beyond_label, stage
from analysis.compare.read import TABLES
from analysis.neural import read as neural
from analysis.neural import readout
from analysis.neural.populations import Population
from analysis.params.protocol import CORRECTED, REPORT

N = 96
LABEL = np.resize(["face", "non-face", "face", "unlabelled"], N)
CATEGORY = np.resize(["face", "none", "primate_face", "pareidolia"], N)
GROUP = np.arange(N) // 16 * 8 + np.arange(N) % 8  # an image and the one eight places on, of the same category


def compare(values, features, responses, rules=CORRECTED):
    """Return the measures of a population of 12 units as a dict, and the rows of the read-out."""
    stems, names = tuple(f"i{k:03d}" for k in range(N)), tuple(f"u{k}" for k in range(12))
    population = Population("Aa000001", "Aa", "AIT", names, names, stems, responses, None)
    table = pd.DataFrame({"stem": stems, "label": LABEL, "label_report": LABEL, "category": CATEGORY})
    images = neural.Images(table.assign(group=GROUP), pd.DataFrame({"category": LABEL}, index=list(stems)))
    ceiling = np.full(12, 0.8 if rules.response == "rate" else np.nan)  # summed spikes have none
    measured = neural.MeasuredPopulation(population, ceiling, (np.nan, np.nan))
    layers = {"first": np.zeros((N, 3)), "top": features}
    found = beyond_label.rows(measured, layers, images, rules, values.compare, 0)
    task = images.task(population, rules, values.compare)
    learning = readout.population_rows(population, task, ceiling, 0)["learning"]
    learning += readout.model_rows(population, features, task, ceiling, values.compare, 0)["learning"]
    return {row["measure"]: row for row in found}, learning


def of_labels(rng, width, size=2.0):
    codes = np.unique([f"{a}{b}" for a, b in zip(LABEL, CATEGORY, strict=True)], return_inverse=True)[1]
    return size * np.eye(codes.max() + 1)[codes] @ rng.normal(size=(codes.max() + 1, width))


def test_a_model_that_shares_the_labels_alone_has_nothing_beyond_them(project):
    values, rng = project[0], np.random.default_rng(0)
    found, _ = compare(
        values, of_labels(rng, 30) + rng.normal(size=(N, 30)), of_labels(rng, 12) + rng.normal(size=(N, 12))
    )
    assert found["rho"]["ci_low"] > 0.15
    assert found["r2_labels"]["ci_low"] > 0.3
    assert found["rho_given_label"]["value"] < found["rho"]["value"]
    assert found["rho_given_both"]["value"] < found["rho"]["value"] - 0.2
    assert found["rho_given_both"]["ci_low"] < 0 < found["rho_given_both"]["ci_high"]
    assert found["r2_unique_model"]["ci_high"] < 0.06
    for measure in ("r_nonface", "rho_nonface"):
        assert found[measure]["ci_low"] < 0.1
    assert abs(found["r_unseen"]["value"]) < 0.15


def test_what_a_model_shares_within_labels_is_found(project):
    values, rng = project[0], np.random.default_rng(1)
    signal = rng.normal(size=(N, 4))
    found, _ = compare(
        values,
        of_labels(rng, 30) + signal @ rng.normal(size=(4, 30)) + 0.3 * rng.normal(size=(N, 30)),
        of_labels(rng, 12, 1.0) + signal @ rng.normal(size=(4, 12)) + 0.3 * rng.normal(size=(N, 12)),
    )
    assert found["rho_given_label"]["p"] == 1 / (1 + values.compare.permutations)
    for measure in ("rho_given_both", "rho_face", "rho_nonface", "r_face", "r_nonface", "r_unseen", "r2_unique_model"):
        assert found[measure]["ci_low"] > 0.05, measure
        assert found[measure]["value"] <= 1
    assert found["rho_reweighted"]["value"] > 0.2
    assert found["rho_categories"]["n_images"] == 4  # label and category of four kinds
    assert found["r_face"]["n_images"] == (LABEL == "face").sum()


def test_rows_name_the_top_layer_and_the_size_of_what_was_compared(project):
    rng = np.random.default_rng(2)
    found, learning = compare(project[0], rng.normal(size=(N, 9)), rng.normal(size=(N, 12)))
    assert {row["layer"] for row in found.values()} == {"top"}
    assert {row["n_units"] for row in found.values()} == {12}
    assert found["r2_both"]["n_images"] == N
    assert {row["system"] for row in learning} == {"population", "model"}
    assert {row["n_images"] for row in learning} == {N * 3 // 4}  # labelled ones
    assert [row["n_train"] for row in learning if row["system"] == "model"] == [8, 16, 32]


def test_read_out_of_the_task_rises_with_training_where_labels_are_planted(project):
    rng = np.random.default_rng(3)
    weak = of_labels(rng, 12, 0.4) + rng.normal(size=(N, 12))
    _, learning = compare(project[0], np.repeat(of_labels(rng, 2), 9, axis=1) + rng.normal(size=(N, 18)), weak)
    score = pd.DataFrame(learning).pivot(index="n_train", columns="system", values="score")
    assert (score.loc[32] > score.loc[8]).all()
    assert (score.loc[32] > 0.6).all()


def test_merged_tables_of_summed_spikes_are_not_compared(project):
    rng = np.random.default_rng(4)
    assert compare(project[0], rng.normal(size=(N, 9)), rng.normal(size=(N, 12)), REPORT) == ({}, [])


def test_an_observer_of_the_labels_has_nothing_beyond_them_at_all(project):
    rng = np.random.default_rng(5)
    observer = (CATEGORY[:, None] == np.unique(CATEGORY)).astype(float)
    found, _ = compare(project[0], observer, of_labels(rng, 12) + rng.normal(size=(N, 12)))
    assert found["rho"]["ci_low"] > 0.2
    assert np.isnan(found["rho_given_both"]["value"])
    assert found["r_nonface"]["value"] == found["r_unseen"]["value"] == 0.0  # constant within non-faces
    assert found["r2_unique_model"]["value"] == pytest.approx(0, abs=0.01)
    assert found["r2_model"]["value"] == pytest.approx(found["r2_labels"]["value"], abs=0.01)


def test_areas_are_means_over_their_recordings():
    columns = TABLES["beyond_label"]
    row = dict.fromkeys(columns, "x") | {"region": "AIT", "n_images": 60, "p": 0.01, "ci_low": 0.0, "ci_high": 1.0}
    table = pd.DataFrame(
        [
            row | {"recording": "a", "measure": "r_face", "n_units": 10, "value": 0.2, "error": 0.03},
            row | {"recording": "b", "measure": "r_face", "n_units": 30, "value": 0.4, "error": 0.04},
            row | {"recording": "a", "measure": "rho", "n_units": 10, "value": 0.1, "error": 0.05},
            row | {"recording": "b", "measure": "rho", "n_units": 30, "value": 0.3, "error": np.nan},
        ]
    )[columns]
    found = beyond_label.with_areas(table)
    pd.testing.assert_frame_equal(found[:4], table)
    area = found[found.recording == "all"].set_index("measure")
    assert area.value.to_dict() == pytest.approx({"r_face": 0.35, "rho": 0.2})
    parts = np.array([0.25 * 0.03, 0.75 * 0.04]) ** 2
    assert area.error["r_face"] == pytest.approx(np.sqrt(parts.sum()))
    reach = t.ppf(0.975, parts.sum() ** 2 / (parts**2 / np.array([9, 29])).sum()) * np.sqrt(parts.sum())
    assert area.ci_high["r_face"] == pytest.approx(0.35 + reach)
    assert area.n_units.to_dict() == {"r_face": 40, "rho": 40}
    assert np.isnan(area.error["rho"])
    assert area.p.isna().all()


def test_the_stage_writes_both_tables(project):
    values, _ = project
    for model in ("good", "bad", "reported"):
        stage.run(values, model)
    good, bad = (pd.read_csv(f"results/compare/{model}/beyond_label.csv") for model in ("good", "bad"))
    assert list(good.columns) == TABLES["beyond_label"]
    assert set(good.region) == {"V1", "CIT", "AIT"}
    value = good[good.recording == "all"].set_index(["region", "measure"]).sort_index()
    assert value.ci_low["AIT", "r2_unique_model"] > 0.3
    assert value.ci_low["AIT", "rho_given_label"] > 0.2
    none = bad[(bad.recording == "all") & (bad.region == "AIT")].set_index("measure")
    assert none.ci_low["rho_given_label"] < 0.05
    assert none.value["r2_unique_model"] < 0.02
    learning = pd.read_csv("results/compare/good/learning.csv")
    assert list(learning.columns) == TABLES["learning"]
    assert learning.groupby(["recording", "region", "system"]).n_train.unique().map(list).map(
        tuple
    ).unique().tolist() == [(8, 16, 32)]
    assert pd.read_csv("results/compare/reported/beyond_label.csv").empty
