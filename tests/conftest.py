"""What the tests share: fixed numerics, the real files when they are at hand, and a store of their own."""

from pathlib import Path

import pytest

from analysis.core import numerics

numerics.fix()  # before a test imports numpy

REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference"


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of real files (one recording, annotations, images, the report's table)."""
    if not REFERENCE.is_dir():
        pytest.skip("the folder of real reference files is not at hand (shared/reference beside the project)")
    return REFERENCE


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("NNN_STORE", str(tmp_path / "store"))
