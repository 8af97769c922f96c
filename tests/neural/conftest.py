"""The planted project, for tests of this step."""

from tests.planted import measured, planted, project  # noqa: F401
