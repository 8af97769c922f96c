"""What is said of recordings of free viewing: counts over recordings, and what was not available."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.summary import free_viewing

RECORDINGS = {"An220105": (["a", "a", "b"], [0, 0, 1]), "An220106": (["b", "c"], [0, 1])}


def recording(name: str) -> xr.Dataset:
    """Return a recording of two units, of which the last fixation is not selected."""
    stems, trials = RECORDINGS[name]
    stems, trials = [*stems, "z"], [*trials, 9]
    unit = {"unit": ["1a", "2a"], "region": ["V1", "AIT"], "visually_selective": [True, False]}
    unit |= {"rsc": [0.2, 0.4], "rsc_across_trials": [0.1, 0.3]}
    fixation = {"stimulus_id": stems, "trial": trials, "selected": [stem != "z" for stem in stems]}
    coords = {key: ("unit", values) for key, values in unit.items()}
    coords |= {key: ("fixation", values) for key, values in fixation.items()}
    return xr.Dataset({"rate": (("fixation", "unit"), np.ones((len(stems), 2)))}, coords, {"recording": name})


@pytest.fixture
def params(monkeypatch):
    """Return parameters of two models, with all that is read in place."""
    monkeypatch.setattr(free_viewing, "all_recordings", lambda protocol, stable_only: map(recording, RECORDINGS))
    monkeypatch.setattr(free_viewing.repeatability, "listed_units", lambda folder, name: {"1a"})
    monkeypatch.setattr(free_viewing, "read_table", lambda: pd.DataFrame({"annotated": [True, False]}))
    monkeypatch.setattr(free_viewing, "list_missing", lambda params: [])
    return SimpleNamespace(models=SimpleNamespace(run=["pixels", "hmo"]))


def test_counts_are_over_all_recordings_and_selected_fixations(params):
    found = free_viewing.describe(params)
    assert found["recordings"] == list(RECORDINGS)
    assert (found["images"], found["presentations"], found["fixations"]) == (3, 4, 5)
    assert found["missing"] == []
    v1 = found["repeatability"]["V1"]
    assert list(found["repeatability"]) == ["V1", "AIT"]
    assert (v1["units"], v1["visually_selective"], v1["listed"], v1["both"]) == (2, 2, 2, 2)
    assert (v1["rsc"], v1["rsc_selective"], v1["rsc_across_trials"]) == (0.2, 0.2, 0.1)
    assert np.isnan(v1["reliability"])  # of so few images


@pytest.mark.parametrize(
    ("untrained", "annotated", "said"),
    [
        (["pixels"], True, ["the training of pixels"]),
        (["pixels", "hmo"], True, ["the training of all models"]),
        (["pixels", "hmo"], False, ["annotations of the 2 images", "the training of all models"]),
    ],
)
def test_what_was_not_available_is_said_briefly(params, monkeypatch, untrained, annotated, said):
    table = pd.DataFrame({"annotated": [annotated, False]})
    monkeypatch.setattr(free_viewing, "read_table", lambda: table)
    monkeypatch.setattr(free_viewing, "list_missing", lambda params: [f"the training of {one}" for one in untrained])
    assert free_viewing.missing(params) == said
