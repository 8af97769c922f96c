"""Populations of a recording: which fixations count, and what is a presentation."""

import numpy as np
import xarray as xr

from analysis.core.areas import AREAS
from analysis.neural import populations
from analysis.params.protocol import CORRECTED


def recording() -> xr.Dataset:
    """Two units of V4 around one of V1; images b and a, each in two trials with two fixations, and c in one."""
    stems = np.repeat(["b", "a", "b", "a", "c"], 2)
    rate = np.arange(30.0).reshape(10, 3)
    rate[3, 2] = np.nan
    return xr.Dataset(
        {"rate": (("fixation", "unit"), rate)},
        coords={
            "trial": ("fixation", np.repeat(np.arange(5), 2)),
            "stimulus_id": ("fixation", stems),
            "selected": ("fixation", np.arange(10) != 4),
            "unit": ["1", "2", "3"],
            "neuroid_id": ("unit", ["r-1", "r-2", "r-3"]),
            "region": ("unit", ["V4", "V1", "V4"]),
        },
        attrs={"recording": "r", "subject": "s"},
    )


def of_recording(allowed: set[str]):
    return list(populations.IDENTITY["recording"](iter([recording()]), CORRECTED, allowed))


def test_units_of_an_area_with_the_mean_of_their_selected_fixations():
    first, second = of_recording({"a", "b"})
    assert (first.region, first.units, first.images) == ("V1", ("2",), ("a", "b"))
    assert (second.region, second.units, second.neuroid_ids) == ("V4", ("1", "3"), ("r-1", "r-3"))
    assert AREAS.index(first.region) < AREAS.index(second.region)
    np.testing.assert_allclose(first.responses[:, 0], [np.mean([7, 10, 19, 22]), np.mean([1, 4, 16])])
    # A fixation without a rate of one unit is left out for the units recorded beside it too.
    np.testing.assert_allclose(second.responses[0], np.mean([[6, 8], [18, 20], [21, 23]], axis=0))


def test_trials_are_presentations_not_fixations():
    (v1, _), (_, v4) = of_recording({"a", "b", "c"}), of_recording({"a", "b"})
    assert v1.presentations.n_presentations.tolist() == [2, 2, 1]
    assert v4.presentations.n_presentations.tolist() == [2, 2]
    halves = v1.presentations.partitions(2, np.random.default_rng(0))
    assert sorted(half[0, 0] for half in halves) == [8.5, 20.5]


def test_areas_without_images_are_no_populations():
    assert of_recording({"z"}) == []


def test_empty_cells_are_filled_over_all_rows():
    nan = np.nan
    table = np.array([[1.0, nan, nan], [3.0, 4.0, nan]])
    np.testing.assert_array_equal(populations.FILLING["column_mean"](table), [[1, 4, nan], [3, 4, nan]])
    np.testing.assert_array_equal(populations.FILLING["none"](table), table)
