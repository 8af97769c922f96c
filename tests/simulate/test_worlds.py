"""What units follow in each world, and how responses vary between showings."""

import numpy as np
import pytest

from analysis.core.errors import DataError
from analysis.params.schema import Noise
from analysis.simulate.experiment import make_image
from analysis.simulate.responses import teacher
from analysis.simulate.responses.neurons import Drive, draw_units
from analysis.simulate.responses.teacher import LAYERS, layer_maps
from analysis.simulate.responses.variability import draw_gains, showings
from analysis.simulate.responses.worlds import LUMINANCE, WORLDS
from analysis.simulate.scenes import draw_scenes
from analysis.simulate.sessions import PLAN, Session

N = 16
SESSION = Session("Mo200101", PLAN[0].start, ("AIT",), "d", "square", "mixed", PLAN[0].ppd)


@pytest.fixture(scope="module")
def scenes(tiny_params):
    """Square images, the last a near-duplicate of the first."""
    found = [scene for scene in draw_scenes(tiny_params, 3) if scene.pool == "square" and scene.annotated][: N - 1]
    return [*found, found[0]]


@pytest.fixture(scope="module")
def maps(scenes):
    made = [make_image(scene)[2] for scene in scenes]
    pictures = [np.random.default_rng(k).integers(0, 255, (240, 240, 3), dtype=np.uint8) for k in range(N)]
    made = [one | layer_maps(picture) for one, picture in zip(made, pictures, strict=True)]
    return {kind: np.stack([one[kind] for one in made]) for kind in made[0]}


def drives(params, scenes, maps, world):
    """Standardised drives of the units in a world with the gaze on the centre, (n_images, n_units)."""
    units = draw_units(SESSION, 8, params.model_copy(update={"world": world}), np.random.default_rng(0))
    image, centre = np.arange(len(scenes)), np.zeros((len(scenes), 2))
    rows = []
    for unit in units:
        drive = Drive(unit, SESSION, maps, scenes)
        drive.standardise(drive, image, centre)
        rows.append(((drive.parts(image, centre) - drive.centre) / drive.sd) @ list(unit.mixture.values()))
    return np.stack(rows, axis=1)


@pytest.mark.parametrize("world", WORLDS)
def test_units_follow_what_their_world_names_and_nothing_else(tiny_params, scenes, maps, world):
    """Other maps change the drive exactly where the world gives their kind a weight in this area."""
    before = drives(tiny_params, scenes, maps, world)
    assert np.isfinite(before).all()
    assert before.std() > 0.1
    followed = {source for source, weights in WORLDS[world].items() if weights["AIT"]}
    for kind, sources in {
        "early": {"V1", "V2", "V4"},
        LUMINANCE: {LUMINANCE},
        **{name: {name} for name in LAYERS},
    }.items():
        other = maps | {kind: maps[kind][::-1]}
        changed = not np.allclose(drives(tiny_params, scenes, other, world), before)
        assert changed == bool(followed & sources), kind


def test_unrelated_responses_differ_between_images_and_agree_for_near_duplicates(tiny_params, scenes, maps):
    found = drives(tiny_params, scenes, maps, "none")
    assert np.allclose(found[0], found[-1])
    assert len(np.unique(found[:-1].round(6))) == found[:-1].size


def test_the_label_counts_in_the_label_world_alone(tiny_params):
    assert [world for world, weights in WORLDS.items() if "face" in weights] == ["label"]


def test_the_weights_of_the_teacher_are_checked(monkeypatch):
    monkeypatch.setattr(teacher, "DIGEST", "0" * 64)
    with pytest.raises(DataError, match="other weights"):
        teacher.load()


def test_gains_have_the_mean_and_variation_that_are_asked_for():
    units = [str(k) for k in range(40)]
    found = draw_gains(Noise(private=0.3, shared=0, drift=0), 4000, units, 1)
    assert found.mean(axis=0) == pytest.approx(1, abs=0.03)
    assert found.std(axis=0) == pytest.approx(0.3, abs=0.03)
    assert np.abs(np.corrcoef(found.T)[np.triu_indices(40, 1)]).max() < 0.1
    shared = draw_gains(Noise(private=0, shared=0.2, drift=0), 4000, units, 1)
    assert np.ptp(shared, axis=1).max() == 0
    assert shared[:, 0].std() == pytest.approx(0.2, abs=0.02)
    assert draw_gains(Noise(private=0, shared=0, drift=0), 10, units, 1) is None


def test_drift_is_slow():
    found = np.log(draw_gains(Noise(private=0, shared=0, drift=0.2), 20_000, ["1"], 1)[:, 0])
    assert found.std() == pytest.approx(0.2, abs=0.06)
    assert np.corrcoef(found[:-1], found[1:])[0, 1] > 0.98
    assert np.abs(np.corrcoef(found[:-3000], found[3000:])[0, 1]) < 0.3


def test_showings_are_equal_or_geometric(tiny_params):
    assert set(showings(tiny_params, 50, 1, "Mo210503")) == {tiny_params.presentations_per_image}
    found = showings(tiny_params.model_copy(update={"showings": "geometric"}), 4000, 1, "Mo210503")
    assert found.min() == 1
    assert found.mean() == pytest.approx(tiny_params.presentations_per_image, rel=0.05)
    assert (found == 1).mean() == pytest.approx(1 / tiny_params.presentations_per_image, abs=0.02)
