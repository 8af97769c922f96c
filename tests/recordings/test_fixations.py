"""Fixation tables and responses, worked out by hand on a small recording (tests/recordings/conftest.py).

Tracker latency 50 ms; images are 10.0 x 5.0 dva; presentations of trials 10, 12 and 13, trial 11 aborted.
"""

from dataclasses import replace

import numpy as np
import pytest

from analysis.params.protocol import CORRECTED, REPORT
from analysis.recordings.annotations import Annotations
from analysis.recordings.build import Processing, build_recording
from analysis.recordings.fixation_table import build_fixation_table, count_assignments
from analysis.recordings.main_file import read_session
from analysis.recordings.naming import Files
from analysis.recordings.rois import Rois


@pytest.fixture
def make(pair, annotations, tmp_path):
    def _make(protocol, window_ms=200):
        main, rasters = pair.write(tmp_path / "files")
        tables = Annotations(annotations).of("An220105")
        files = Files("An220105", "An", main, rasters)
        return build_recording(files, tables, Rois(tmp_path), Processing(protocol, window_ms, permutations=99, seed=1))

    return _make


def test_corrected_table(make):
    recording = make(CORRECTED)
    # Row 3 belongs to the aborted trial. Rows 0 and 6 were under way when the image appeared: clipped, ordinal 0.
    assert recording["row"].values.tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert recording["trial"].values.tolist() == [10, 10, 10, 12, 12, 13, 13]
    assert recording["ordinal"].values.tolist() == [0, 1, 2, 1, 2, 0, 1]
    assert recording["onset_ms"].values.tolist() == [1200, 1450, 2050, 5450, 5950, 7200, 7950]
    assert recording["offset_ms"].values.tolist() == [1400, 2000, 2550, 5900, 6000, 7850, 8550]
    assert recording["stimulus_id"].values.tolist() == ["bb", "bb", "bb", "aa", "aa", "bb", "bb"]
    assert recording["x_dva"].values.tolist() == [0, 1, 6, 0.5, -1, 0, -1]  # relative to the image's own position
    assert recording["y_dva"].values.tolist() == [0, 0.5, 0, 0, 2, 2, 0]
    # Row 2 is 6 dva from the centre of an image of half width 5; row 5 lasts 50 ms.
    assert recording["selected"].values.tolist() == [True, True, False, True, False, True, True]
    assert recording.attrs["fixations_in_file"] == 8
    assert recording.attrs["fixations_labelled"] == 7


def test_rates_are_spikes_in_the_window(make, pair):
    recording = make(CORRECTED)
    counts = pair.counts()
    # Published latencies 20 (clipped to 40) and 75; none for unit 33 on the bank of V1: default 40.
    assert recording["latency_ms"].values.tolist() == [40, 75, 40]
    for unit, latency in enumerate((40, 75, 40)):
        for row, onset in enumerate(recording["onset_ms"].values.astype(int)):
            window = counts[onset + latency : onset + latency + 200, unit]
            assert recording["rate"].values[row, unit] == pytest.approx(window.sum() * 5)


def test_unit_coordinates(make):
    recording = make(CORRECTED)
    assert recording["region"].values.tolist() == ["AIT", "AIT", "V1"]
    assert recording["neuroid_id"].values.tolist() == ["An220105-1", "An220105-2a", "An220105-33"]
    assert set(recording["subject"].values) == {"An"}
    assert recording["rf_x_dva"].values[0] == 0.5
    assert np.isnan(recording["rf_x_dva"].values[1])


def test_window_beyond_the_rasters_is_not_a_number(make, pair):
    pair.n_bins = 8100
    recording = make(CORRECTED)
    rate = recording["rate"].values
    assert np.isnan(rate[-1]).all()  # 7950 + 40 + 200 > 8100
    assert np.isfinite(rate[:-1]).all()
    assert not recording["selected"].values[-1]


def test_limits_count_whole_microseconds(make, pair):
    pair.fixations["start_time"][4], pair.fixations["stop_time"][4] = 5.3, 5.4  # 100 ms, in floats 0.0999999
    assert make(CORRECTED)["selected"].values.tolist()[3]
    pair.fixations["stop_time"][4] = 5.399999
    assert not make(CORRECTED)["selected"].values.tolist()[3]


def test_edge_of_the_image_is_outside(make, pair):
    pair.fixations["x"][0] = 5.0
    assert not make(CORRECTED)["selected"].values[0]
    pair.fixations["x"][0] = 4.999
    assert make(CORRECTED)["selected"].values[0]


def test_unsorted_fixations_get_the_same_ordinals(make, pair):
    before = make(CORRECTED)
    order = [7, 2, 0, 5, 3, 1, 6, 4]
    for column, values in pair.fixations.items():
        pair.fixations[column] = [values[i] for i in order]
    after = make(CORRECTED)
    key = dict(zip(before["onset_ms"].values, before["ordinal"].values, strict=True))
    assert dict(zip(after["onset_ms"].values, after["ordinal"].values, strict=True)) == key


def test_report_takes_rows_for_trials(make, pair):
    for table_, column in ((pair.trials, "id"), (pair.presentations, "trial_id"), (pair.fixations, "trial_id")):
        table_[column] = [value - 10 for value in table_[column]]
    recording = make(REPORT)
    # Presentations of trials 0, 2, 3 lie in rows 0, 1, 2; so trial 1 gets row 1, trial 2 row 2, trial 3 nothing.
    assert recording["row"].values.tolist() == [0, 1, 2, 3, 4, 5]
    assert recording["stimulus_id"].values.tolist() == ["bb", "bb", "bb", "aa", "bb", "bb"]
    assert recording["selected"].values.all()
    assert recording["onset_ms"].values.tolist() == [1100, 1500, 2100, 3500, 5500, 6000]  # no latency, no clipping
    assert (recording["latency_ms"].values == 0).all()
    assert recording["region"].values.tolist() == ["AIT"] * 3
    counts = pair.counts()
    windows = [(1100, 1450), (1500, 2050), (2100, 2600), (3500, 4000), (5500, 5950), (6000, 6050)]
    windows = [(int(a / 1000 * 1000), int(b / 1000 * 1000)) for a, b in windows]
    expected = np.array([counts[a:b].sum(0) for a, b in windows])
    np.testing.assert_array_equal(recording["count"].values, expected)
    assert recording["image"].values.tolist() == ["aa", "bb"]
    np.testing.assert_array_equal(recording["image_count"].values[0], expected[3])
    np.testing.assert_array_equal(recording["image_count"].values[1], expected[[0, 1, 2, 4, 5]].sum(0))
    assert [recording.attrs[f"presentations_{x}"] for x in ("right", "wrong", "none")] == [1, 1, 1]


def test_report_truncates_milliseconds_as_floats(make, pair):
    pair.fixations["stop_time"][0] = 1.001 + 0.2  # 1.2009999...: int() gives 1200 where rounding would give 1201
    pair.fixations["trial_id"][0] = 0
    pair.raster = np.zeros((10_000, 3), np.uint8)
    pair.raster[1200] = 1
    assert make(REPORT)["count"].values[0].tolist() == [0] * 3


@pytest.mark.parametrize(
    ("halves", "overall", "first_half"),
    [((100, 100), True, True), ((100, 0), False, False), ((0, 100), False, False), ((100, 180), True, False),
     ((100, 51), True, True), ((100, 35), True, False), ((100, 30), False, False)],
)  # fmt: skip
def test_stability_rules(make, pair, halves, overall, first_half):
    pair.raster = np.zeros((10_000, 3), np.uint8)
    for half, n in enumerate(halves):
        pair.raster[half * 5000 : half * 5000 + n] = 1
    assert make(CORRECTED)["stable"].values.tolist() == [overall] * 3
    assert make(replace(CORRECTED, stability="first_half"))["stable"].values.tolist() == [first_half] * 3


def test_each_field_of_the_protocol_acts_alone(make):
    base = make(REPORT)
    assert make(replace(REPORT, join="trial_id"))["trial"].values.tolist() == [10, 10, 10, 12, 12, 13, 13]
    assert base.sizes["fixation"] == 0  # rows 10, 11, ... do not exist
    counted = make(replace(CORRECTED, response="count"))
    assert counted["row"].values.tolist() == make(CORRECTED)["row"].values.tolist()
    assert "image_count" in counted
    assert "image_count" not in make(CORRECTED)
    assert make(replace(CORRECTED, region="first_row"))["region"].values.tolist() == ["AIT"] * 3
    assert make(replace(CORRECTED, latency="none"))["onset_ms"].values[1] == 1500


def test_recording_without_presentations(make, pair):
    for column in pair.presentations:
        pair.presentations[column] = np.zeros((0, 2) if column == "position" else 0)
    pair.shown = []
    recording = make(CORRECTED)
    assert recording.sizes["fixation"] == 0


def test_count_assignments_by_value(pair, tmp_path):
    session = read_session(pair.write(tmp_path)[0])
    assert count_assignments(session, "trial_id") == (3, 0, 0)
    assert count_assignments(session, "row") == (0, 0, 3)
    assert build_fixation_table(session, CORRECTED, 50, 10_000).counts["on_image"] == 7


def test_limits_of_the_presentation(make, pair):
    # Trial 12 is shown from 5.2 to 6.7 s; fixation times lag by 50 ms.
    pair.fixations["start_time"][4], pair.fixations["stop_time"][4] = 5.25, 5.95  # starts with the image: zeroth
    pair.fixations["start_time"][5], pair.fixations["stop_time"][5] = 6.75, 7.0  # starts as the image goes: still on it
    recording = make(CORRECTED)
    assert recording["ordinal"].values[recording["row"].values == 4].tolist() == [0]
    assert recording["ordinal"].values[recording["row"].values == 5].tolist() == [1]
    pair.fixations["start_time"][5] = 6.750001
    assert 5 not in make(CORRECTED)["row"].values
    pair.fixations["start_time"][4], pair.fixations["stop_time"][4] = 5.1, 5.25  # ends as the image comes: not on it
    assert 4 not in make(CORRECTED)["row"].values
