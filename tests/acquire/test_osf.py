"""The image archive: its volumes are recorded on first contact and must be the same ever after."""

import json

import pytest

from analysis.acquire.real import osf, sources
from analysis.acquire.real.download import fetch
from analysis.core.errors import DataError
from tests.acquire.world import World
from tests.servers.loopback import Fault

pytestmark = pytest.mark.usefixtures("deadline")


def test_volumes_over_pages_and_redirects(world, hasty):
    listed = osf.volumes(sources.STIMULI)
    assert [pin for pin, _ in listed] == [pin for pin in World.pins_of(world.node) if pin.path.startswith("Stimuli")]
    world.osf.faults = [Fault("Stimuli.z01", "cut", at=65_536), Fault("Stimuli.zip", "503", times=2)]
    assert fetch([item for _, item in listed], hasty) == 2
    # Each try asks for a new signed address, since the old one has expired.
    assert len(world.osf.asked("/download/")) == 5
    assert [request.start for request in world.osf.asked("/signed/") if "z01" in request.path] == [None, 65_536]


def test_the_lock_is_kept(world):
    assert osf.locked(sources.STIMULI) is None
    pins = [pin for pin, _ in osf.volumes(sources.STIMULI)]
    osf.write_lock(sources.STIMULI, pins)
    assert osf.locked(sources.STIMULI) == pins
    assert osf.volumes(sources.STIMULI)[0][0] == pins[0]
    (world.node / "Stimuli.z01").write_bytes(b"a new edition")
    with pytest.raises(DataError, match=r"OSF sde8m: Stimuli\.z01 has changed \(13 bytes.*\(150000 bytes.*osf\.lock"):
        osf.volumes(sources.STIMULI)


def test_the_lock_is_outside_the_code_so_that_fetching_makes_no_stage_out_of_date():
    assert sources.STIMULI.lock == sources.ROOT / "osf.lock"
    assert (sources.ROOT / "params.yaml").is_file()


@pytest.mark.parametrize("text", ["{", "{}", json.dumps({"volumes": {"Stimuli.z01": {"size": 1}}})])
def test_a_damaged_lock_is_no_first_contact(world, text):
    sources.STIMULI.lock.write_text(text)
    with pytest.raises(DataError, match=r"osf\.lock: damaged lock"):
        osf.locked(sources.STIMULI)


def test_a_missing_volume_is_named(world):
    (world.node / "Stimuli.z01").unlink()
    with pytest.raises(DataError, match=r"volume Stimuli\.z01 of the image archive is missing"):
        osf.volumes(sources.STIMULI)


def test_another_service_at_that_address_is_said(world, hasty, monkeypatch):
    monkeypatch.setenv("NNN_OSF_API", world.github.base)
    with pytest.raises(DataError, match="OSF: the server returned 404"):
        osf.volumes(sources.STIMULI, hasty)
    monkeypatch.setattr(type(world.github), "answer", lambda self, handler, *_: handler.send_json({"hello": 1}))
    with pytest.raises(DataError, match="is not an OSF API; check NNN_OSF_API"):
        osf.volumes(sources.STIMULI, hasty)


def test_a_listing_that_fails_is_asked_again(world, hasty):
    world.osf.faults = [Fault("osfstorage/", "502", times=2), Fault("page=2", "429", retry_after="1")]
    world.osf.faults.append(Fault("page=2", "trickle"))
    assert len(osf.volumes(sources.STIMULI, hasty)) == 2
