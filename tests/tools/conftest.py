"""The recordings made by hand, for tests of these tools."""

from tests.recordings.conftest import annotations, annotations_for, pair  # noqa: F401
