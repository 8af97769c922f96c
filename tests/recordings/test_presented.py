"""Responses of recorded data sets, in the form of the experiment."""

import dataclasses

import numpy as np
import pytest

from analysis import params
from analysis.acquire.recorded import layout
from analysis.core.errors import DataError
from analysis.neural.populations import populations
from analysis.params.protocol import CORRECTED
from analysis.recordings import presented
from analysis.recordings.read import all_recordings, recording_files
from analysis.tools import assembly
from tests import recorded_set
from tests.project import ROOT

VALUES = params.load(ROOT / "params.yaml")


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Return a function that writes responses with the made-up images, and runs the stage on them."""
    monkeypatch.chdir(tmp_path)

    def run(responses):
        images = recorded_set.images()
        layout.write(tmp_path / "data/raw", images, responses, recorded_set.picture, "assembly", recorded_set.ORIGIN)
        presented.run(VALUES, "corrected")
        return list(all_recordings("corrected"))

    return run


def test_a_presentation_is_a_fixation_at_the_centre(made):
    given = recorded_set.responses()
    (found,) = made(given)
    assert np.array_equal(found["rate"].values, given.rates)
    assert np.array_equal(found["stimulus_id"].values.astype(str), given.image_ids)
    assert np.array_equal(found["trial"].values, np.arange(160))
    assert found["selected"].values.all()
    assert found["stable"].values.all()
    assert (found["x_dva"].values == 0).all()
    assert found["neuroid_id"].values[2] == "Mo200101-unit2"
    assert found.attrs["window_ms"] == 100
    assert all(np.isnan(found[name].values).all() for names in presented.UNKNOWN.values() for name in names)


def test_a_recording_can_be_exported_as_an_assembly(made, tmp_path):
    given = recorded_set.responses()
    made(given)
    exported = assembly.export("Mo200101", tmp_path / "assembly.nc")
    assert np.array_equal(exported.values[:, :, 0], given.rates)
    assert exported["stimulus_id"].values.tolist() == given.image_ids.tolist()


def test_its_population_has_the_means_and_the_reliability_of_the_presentations(made):
    given = recorded_set.responses()
    made(given)
    (found,) = populations("corrected", CORRECTED, set(recorded_set.images()["image_id"]))
    image = found.images.index("image0007")
    assert np.allclose(found.responses[image], given.rates[given.image_ids == "image0007"].mean(axis=0))
    assert (found.presentations.n_presentations == 4).all()
    shown = given.rates.reshape(4, 40, 5).astype(float)
    noise = shown.var(axis=0, ddof=1).mean(axis=0) / 4
    plain = 1 - noise / shown.mean(axis=0).var(axis=0, ddof=1)
    assert np.allclose(found.presentations.reliability().value, plain, atol=0.03)


def test_units_are_divided_by_recording_and_area(made):
    given = recorded_set.responses()
    regions, recordings = np.array(["V4", "IT", "V4", "IT", "V4"]), np.array(["a", "a", "b", "b", "b"])
    found = made(dataclasses.replace(given, regions=regions, recordings=recordings))
    assert [path.stem for path in recording_files("corrected")] == ["a", "b"]
    assert [one.sizes["unit"] for one in found] == [2, 3]
    named = [(one.recording, one.region, one.units) for one in populations("corrected", CORRECTED, {"image0001"})]
    assert named == [
        ("a", "V4", ("unit0",)), ("a", "IT", ("unit1",)), ("b", "V4", ("unit2", "unit4")), ("b", "IT", ("unit3",))
    ]  # fmt: skip


def test_the_protocol_of_the_report_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="the report's protocol needs fixations"):
        presented.run(VALUES, "report")
