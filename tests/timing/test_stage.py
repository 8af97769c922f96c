"""Time courses of planted responses: when they begin, and who predicts them from then on."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.core.errors import DataError
from analysis.neural import scoring
from analysis.params.protocol import PROTOCOLS
from analysis.recordings.read import open_recording
from analysis.statistics import reliability
from analysis.stimuli.read import read_table
from analysis.timing import scores, stage
from analysis.timing.responses import Course, courses

from .conftest import LATENCY_MS, SESSION

RECORDING = Path("data/recordings/corrected/An220105.nc")


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.read_csv("results/timing/bins.csv"), pd.read_csv("results/timing/scores.csv")


def with_timing(values, **changes):
    return values.model_copy(update={"timing": values.timing.model_copy(update=changes)})


def course_of(values: np.ndarray) -> Course:
    """Return a course of one bin with units of these reliabilities."""
    return Course(None, "zeroth", np.zeros((1, 1, len(values))), values[None], values[None], np.zeros(len(values)))


@pytest.fixture
def found(values) -> tuple[pd.DataFrame, pd.DataFrame]:
    stage.run(values)
    return tables()


def test_bins_before_the_planted_latency_are_flagged_and_those_after_it_are_not(found):
    bins, _ = found
    assert list(bins.columns) == stage.BINS
    assert bins.region.unique().tolist() == ["V1", "AIT"]
    for area, latency in LATENCY_MS.items():
        zeroth = bins[(bins.region == area) & (bins.part == "zeroth")]
        assert (zeroth.latency_ms == latency).all()
        assert zeroth.reliable.tolist() == (zeroth.start_ms >= latency).tolist()
        assert (zeroth.reliability[zeroth.reliable] > 0.3).all()
        assert zeroth.reliability[~zeroth.reliable].abs().max() < 0.1
        assert zeroth[["n_images", "n_units"]].drop_duplicates().to_numpy().tolist() == [[60, 8]]


def test_before_a_later_fixation_the_image_is_already_on_the_screen(found):
    bins, _ = found
    later = bins[bins.part == "later"]
    assert later.reliable.all()
    assert later.reliability.min() > 0.3


def test_the_top_layer_predicts_from_the_latency_on_and_earlier_bins_have_no_score(found):
    bins, table = found
    assert list(table.columns) == stage.SCORES
    both = table.merge(bins[[*stage.WHERE, "reliable"]], on=stage.WHERE)
    assert len(both) == len(table) == 2 * 2 * 2 * 6
    assert both.r_corrected.notna().equals(both.reliable)
    assert both.r.notna().all()
    good = both[(both.model == "good") & both.reliable]
    assert good.r_corrected.between(0.85, 1.08).all()
    assert (good.r_corrected_low < good.r_corrected).all()
    assert (good.r_corrected < good.r_corrected_high).all()
    bad = both[(both.model == "bad") & both.reliable]
    assert bad.r_corrected.median() < 0.25
    early = both[(both.model == "good") & ~both.reliable]
    assert early.r.abs().max() < 0.25


def test_the_scores_are_those_of_the_plain_way(values):
    """One bin by itself, its means and reliability from the rates of single fixations, as `compare` scores a window."""
    rules, table = PROTOCOLS["corrected"], read_table()
    groups = dict(zip(table["stem"], table["group"], strict=True))
    recording = open_recording(RECORDING)
    edges = values.timing.edges_ms
    every = list(courses(recording, rules, set(groups), edges))
    assert [(one.population.region, one.part) for one in every] == [
        (area, part) for part in ("zeroth", "later") for area in LATENCY_MS
    ]
    one = every[1]  # AIT, zeroth
    rows, units = recording["ordinal"].values == 0, recording["region"].values == "AIT"
    alone = next(iter(courses(recording.isel(unit=units), rules, set(groups), [200, 250])))
    np.testing.assert_array_equal(alone.rates[0], one.rates[4])
    window = recording["rate"].values[rows][:, units]
    means = pd.DataFrame(window).groupby(recording["stimulus_id"].values[rows]).mean()
    np.testing.assert_allclose(one.population.responses, means.to_numpy(), rtol=1e-6)
    expected = reliability(window, recording["stimulus_id"].values[rows], recording["trial"].values[rows])
    whole = next(c for c in courses(recording.isel(unit=units), rules, set(groups), [150, 350]))
    np.testing.assert_allclose(whole.reliability[0], expected.value, rtol=1e-6)
    np.testing.assert_allclose(whole.ceiling[0], expected.ceiling, rtol=1e-6)
    X = np.random.default_rng(2).normal(size=(60, 5))
    together = scores.predict(one, X, groups, rules, values.compare, 7)
    alone = replace(one.population, responses=one.rates[4])
    by_itself = scoring.predict_layers(alone, {"x": X}, groups, rules, values.compare, 7)[1]["x"]
    np.testing.assert_allclose(together.predicted[4, 0], by_itself[0].predicted, rtol=1e-9, atol=1e-9)


def test_units_without_a_response_pass_as_reliable_as_rarely_as_the_level_says():
    rng, passed, runs = np.random.default_rng(0), 0, 300
    image, trial = np.repeat(np.arange(40), 3), np.arange(120)
    for _ in range(runs):
        spikes = rng.poisson(1.0, (120, 24))
        passed += scores.reliability([course_of(reliability(spikes, image, trial).value)], 0)["reliable"]
    assert passed / runs < 0.06  # 2.5 % of means lie so far out on that side
    signal = rng.normal(size=(40, 24))[image] * 0.5
    values = reliability(signal + rng.normal(size=(120, 24)), image, trial).value
    found = scores.reliability([course_of(values)], 0)
    assert found["reliable"]
    assert found["reliability"] == pytest.approx(0.25 / (0.25 + 1 / 3), abs=0.12)


def test_other_bins_and_models_are_those_of_the_parameters(values):
    stage.run(with_timing(values, models=["good"], edges_ms=[-100, 0, 200]))
    bins, table = tables()
    assert bins[["start_ms", "stop_ms"]].drop_duplicates().to_numpy().tolist() == [[-100, 0], [0, 200]]
    assert table.model.unique().tolist() == ["good"]
    zeroth = bins[(bins.part == "zeroth") & (bins.start_ms == -100)]
    assert not zeroth.reliable.any()
    assert json.loads(Path("results/timing/summary.json").read_text()) == {"edges_ms": [-100, 0, 200], "skipped": {}}


def test_a_model_that_could_not_be_trained_is_named_and_left_out(values):
    Path("models/bad").mkdir(parents=True)
    metrics = {"protocol": "corrected", "splits": {}, "untrained": "its images are missing"}
    Path("models/bad/metrics.json").write_text(json.dumps(metrics))
    stage.run(values)
    assert set(tables()[1].model) == {"good"}
    summary = json.loads(Path("results/timing/summary.json").read_text())
    assert summary["skipped"] == {"bad": "its images are missing"}


def test_rasters_that_are_damaged_are_named(values, experiment, tmp_path):
    Path("data").unlink()
    shutil.copytree(experiment / "data", "data")
    rasters = Path(f"data/raw/dandiset/sub-An/{SESSION}.nwb")
    rasters.write_bytes(rasters.read_bytes()[:5000])
    with pytest.raises(DataError, match=rf"{SESSION}\.nwb is truncated"):
        stage.run(values)
