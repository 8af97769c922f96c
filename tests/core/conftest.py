"""Fixtures of other rooms that these tests share."""

from tests.planted import measured, planted, project  # noqa: F401
from tests.recordings.conftest import annotations, annotations_for, pair  # noqa: F401
