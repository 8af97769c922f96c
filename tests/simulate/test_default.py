"""The committed default can conclude about AIT, follows no label, and keeps the cases that the audit needs."""

from types import SimpleNamespace

import pytest

from analysis import params as settings
from analysis.audit.stage import _choose_recordings
from analysis.core.areas import AREAS
from analysis.simulate.responses.worlds import FACE, WORLDS
from analysis.simulate.sessions import plan_sessions


@pytest.fixture(scope="module")
def params():
    return settings.load()


def test_eight_recordings_of_ait_mix_faces_and_others_and_no_area_is_missing(params):
    sessions = plan_sessions(params.simulate.recordings)
    assert sum("AIT" in one.regions and one.images == "mixed" for one in sessions) >= 8
    assert {area for one in sessions for area in one.regions} == set(AREAS)
    assert len({one.name for one in sessions}) == len(sessions) == len({one.start for one in sessions})


def test_no_label_is_planted(params):
    assert FACE not in WORLDS[params.simulate.world]


def test_the_audit_meets_the_recordings_in_which_label_and_recording_go_together(params):
    sessions = sorted(plan_sessions(params.simulate.recordings), key=lambda one: one.name)
    sources = [SimpleNamespace(areas=set(one.regions), name=one.name) for one in sessions]
    area, chosen = _choose_recordings(sources, params)
    assert area == "AIT"
    assert {"Mo210504_2", "Mo210505"} <= {one.name for one in chosen}
