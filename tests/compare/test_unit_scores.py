"""Scores of single units: the layer chosen by fold, PLS beside ridge, and what lies in predictions.nc."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from analysis.compare import by_area, predictions, stage, unit_scores
from analysis.compare import read as tables
from analysis.core.errors import DataError
from analysis.neural import read as neural
from analysis.neural import scoring
from analysis.neural.populations import Population
from analysis.params.protocol import CORRECTED, REPORT
from analysis.statistics.predictivity import pls

IMAGES = tuple(f"i{k:02d}" for k in range(48))
GROUPS = {image: k // 2 for k, image in enumerate(IMAGES)}
SETTINGS = SimpleNamespace(folds=4, repeats=2, bootstrap=200, yamins_components=25, fixed_components=3)


@pytest.fixture
def one() -> neural.MeasuredPopulation:
    """Units of which the last has no reliability."""
    responses = np.random.default_rng(0).normal(size=(48, 5))
    names = tuple(f"u{k}" for k in range(5))
    population = Population("Aa000001", "Aa", "AIT", names, names, IMAGES, responses, None)
    return neural.MeasuredPopulation(population, np.array([0.5, 0.6, 0.7, 0.8, -0.01]), (np.nan, np.nan))


@pytest.fixture
def features(one) -> dict[str, np.ndarray]:
    """Of two layers, of which the first alone holds the units' responses, with some noise."""
    rng = np.random.default_rng(1)
    responses = one.population.responses
    good = responses @ rng.normal(size=(5, 9)) + 0.8 * rng.normal(size=(48, 9))
    return {"good": good, "top": rng.normal(size=(48, 7))}


@pytest.fixture
def found(one, features) -> unit_scores.Predicted:
    return unit_scores.predict_units(one, features, GROUPS, CORRECTED, SETTINGS, 3)


def test_the_best_layer_need_not_be_the_last(found):
    assert found.chosen == ("good",) * 8  # of 4 folds, twice
    (row,) = unit_scores.best_rows(found.measured.population, found, CORRECTED)
    assert row["layers"] == "good:8"
    rows = [row for row in unit_scores.unit_rows(found) if row["layer"] == "best"]
    for name in ("r", "r2"):
        assert row[name] == np.median([one[name] for one in rows])
    good = [row for row in unit_scores.unit_rows(found) if row["layer"] == "good"]
    assert [row | {"layer": "best"} for row in good] == rows


def test_pls_has_as_many_components_as_features_allow(found, features):
    Y = found.measured.population.responses
    for k, number in enumerate((9, 3)):
        expected = [pls.cross_predict(features["good"], Y, folds, number, scale=True) for folds in found.folds]
        np.testing.assert_allclose(found.pls["good"][k], expected, rtol=1e-5)


def test_a_unit_without_reliability_lies_beyond_the_others(found):
    rows = {row["unit"]: row for row in unit_scores.unit_rows(found) if row["layer"] == "good"}
    assert rows["u4"]["r_corrected"] == pytest.approx(rows["u4"]["r"] / np.sqrt(0.01))
    assert rows["u4"]["r_corrected"] > max(row["r_corrected"] for name, row in rows.items() if name != "u4")
    assert rows["u1"]["r_corrected"] == pytest.approx(rows["u1"]["r"] / np.sqrt(0.6))
    table = by_area.summarise([found], "good", [row for row in rows.values()], CORRECTED, SETTINGS, 0)
    four = sorted(row["r_corrected"] for row in rows.values())
    assert table["r_corrected"] == pytest.approx(four[2])
    assert table["r_corrected_low"] < table["r_corrected"] < table["r_corrected_high"]
    assert table["above_chance"] == 1


def test_single_splits_are_summarised_split_by_split(one, features):
    settings = SimpleNamespace(**vars(SETTINGS) | {"splits": 9})
    found = unit_scores.predict_units(one, features, GROUPS, REPORT, settings, 3)
    assert found.single
    by_split = []
    for folds, predicted in zip(found.folds, found.layers["good"], strict=True):
        test = folds == 0
        by_split.append(r2_score(one.population.responses[test], predicted[test], multioutput="raw_values"))
    rows = [row for row in unit_scores.unit_rows(found) if row["layer"] == "good"]
    np.testing.assert_allclose([row["r2"] for row in rows], np.median(by_split, axis=0))
    table = by_area.summarise([found], "good", rows, REPORT, settings, 0)
    scores = [scoring.median_without_outliers(np.array(row)) for row in by_split]
    ends = [table[name] for name in ("r2_low", "r2", "r2_high")]
    np.testing.assert_allclose(ends, np.quantile(scores, [0.025, 0.5, 0.975]))


def test_predictions_are_read_as_written(project):
    values, _ = project
    stage.run(values, "good")
    before = list(neural.read_populations("corrected"))
    read, units = predictions.read("good"), tables.read_scores("good", "units")
    assert [(one.recording, one.region) for one in read] == [
        (one.population.recording, one.population.region) for one in before
    ]
    for one, measured in zip(read, before, strict=True):
        assert (one.images, one.units) == (measured.population.images, measured.population.units)
        written = {k: getattr(one, k) for k in ("recording", "region")}
        rows = units[(units.layer == "top") & (units[list(written)] == pd.Series(written)).all(axis=1)]
        r = pls.score(measured.population.responses, one.layers["top"], one.folds).pearson_r
        np.testing.assert_allclose(rows["r"], r, rtol=1e-12)
        assert np.median(r) > 0.7
        assert not np.isnan(one.layers["best"]).any()


def test_predictions_that_are_damaged_say_what_to_run(project):
    values, _ = project
    with pytest.raises(DataError, match=r"units.csv not found: run the stage compare for good"):
        predictions.read("good")
    stage._write_empty(stage.paths.RESULTS / "compare/good", "good")
    assert predictions.read("good") == []  # images are missing
    stage.run(values, "good")
    path = stage.paths.RESULTS / "compare/good" / predictions.FILE
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"predictions.nc is truncated: .* run the stage compare for good"):
        predictions.read("good")
    path.unlink()
    with pytest.raises(DataError, match=r"predictions.nc not found: check the path, or run the stage compare for good"):
        predictions.read("good")
