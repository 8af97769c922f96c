"""A small simulated experiment, shared by all tests of the simulation."""

import pytest

from analysis.params import Simulate
from analysis.simulate.experiment import simulate

SEED = 7
TINY = Simulate(
    world="label",
    selectivity=1,
    noise={"private": 0, "shared": 0, "drift": 0},
    showings="equal",
    faces=24,
    objects=24,
    pareidolia=8,
    unlabelled=6,
    recordings=6,
    units_per_recording=10,
    images_per_recording=12,
    presentations_per_image=6,
)


@pytest.fixture(scope="session")
def tiny_params():
    return TINY


@pytest.fixture(scope="session")
def seed():
    return SEED


@pytest.fixture(scope="session")
def raw(tmp_path_factory):
    """A simulated data/raw."""
    folder = tmp_path_factory.mktemp("simulated") / "raw"
    simulate(TINY, SEED, folder)
    return folder
