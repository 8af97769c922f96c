"""The real files of V4, in the store as if they had been fetched."""

import pytest

from tests.recorded_set import real_v4  # noqa: F401


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("NNN_GITHUB_RAW", "http://127.0.0.1:9")
