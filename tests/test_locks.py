import shutil
from pathlib import Path

import pytest

from tests import locks

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def project(tmp_path):
    """Return a folder with a copy of the dependencies and of the locks."""
    for name in ("pyproject.toml", *locks.NAMES.values()):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_locks_hold_what_is_listed(project):
    locks.check(project)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("pyproject.toml", '"dandi"', '"dandi", "not-locked"', "not locked: {'not-locked'}"),
        ("pyproject.toml", '"grimp"', '"not-locked"', "not locked: {'not-locked'}"),
        ("pyproject.toml", '"dandi"', '"dandi", "pytest"', "not locked: {'pytest'}"),
        ("requirements.lock", "dandi==", "dandi-else==", "not locked: {'dandi'}"),
        ("requirements-test.lock", "grimp==", "dandi==", "not locked: {'grimp'}"),
        ("requirements-test.lock", "mergedeep==", "dandi==", "of the runtime and of the tests: {'dandi'}"),
        ("requirements.lock", "--hash=sha256:", "--hash=md5:", "not a package with its hashes"),
    ],
)
def test_what_the_locks_lack_is_named(project, name, old, new, said):
    edit(project / name, old, new)
    with pytest.raises(AssertionError, match=said):
        locks.check(project)


def test_a_package_without_hashes_is_no_part_of_a_lock():
    whole = f"# head\na-b==1 \\\n    --hash=sha256:{'0' * 64}\nC.d==2 ; x < '3' \\\n    --hash=sha256:{'1' * 64}\n"
    assert locks.packages(whole) == {"a-b", "c-d"}
    with pytest.raises(AssertionError, match="not a package with its hashes: bare==1"):
        locks.packages(whole + "bare==1\n")
