"""The small published world, online, with its pins in place of the real ones."""

import signal

import pytest

from analysis import params as settings
from analysis.acquire.real import sources
from analysis.acquire.real.retry import Policy
from tests.acquire.world import ROOT, World


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """The world and its pins, with no server running."""
    world = World(tmp_path / "world")
    for name, source in world.pin(tmp_path / "pins").items():
        monkeypatch.setattr(sources, name, source)
    monkeypatch.setenv("NNN_DANDI_API", "http://127.0.0.1:9/api")
    monkeypatch.setenv("NNN_OSF_API", "http://127.0.0.1:9/v2")
    monkeypatch.setenv("NNN_GITHUB_RAW", "http://127.0.0.1:9")
    return world


@pytest.fixture
def world(offline, monkeypatch):
    """The world, its pins, its servers, and the settings that lead to them."""
    with offline.online() as settings_of_servers:
        for name, value in settings_of_servers.items():
            monkeypatch.setenv(name, value)
        yield offline


@pytest.fixture
def deadline():
    """Ends a test that waits for ever, or for a server that stalls (40 s); alone each of these takes 3 s at most."""

    def late(*_):
        pytest.fail("took more than 30 s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def hasty():
    """A policy for tests: as the real one, but in a hurry."""
    return Policy(first_wait=0.02, longest_wait=0.2, patience=1.0, slowest=2000)


@pytest.fixture
def wanted():
    """Parameters for the real source; pass what differs from "everything but the eye traces"."""
    whole = settings.load(ROOT / "params.yaml")

    def make(**changes):
        return whole.model_copy(update={"acquire": whole.acquire.model_copy(update={"source": "real"} | changes)})

    return make
