import os

import pytest

from analysis.core.errors import DataError
from analysis.core.files.claim import claim, claim_folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "data.nc").write_text("input")
    (tmp_path / "out").mkdir()
    (tmp_path / "tables" / "deep").mkdir(parents=True)
    (tmp_path / "tables" / "deep" / "a.nc").write_text("input")
    (tmp_path / "other.nc").write_text("other")
    (tmp_path / "link.nc").symlink_to("in/data.nc")
    (tmp_path / "hard.nc").hardlink_to(tmp_path / "in" / "data.nc")
    (tmp_path / "linked").symlink_to("in")
    (tmp_path / "hard_table.nc").hardlink_to(tmp_path / "tables" / "deep" / "a.nc")
    os.mkfifo(tmp_path / "pipe.nc")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(folder, out, force, **values):
    claim(folder / out, suffixes=[".nc", ".cdf"], inputs=[folder / "in" / "data.nc", folder / "tables"], force=force)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    "out",
    ["in/data.nc", "link.nc", "hard.nc", "in/../in/data.nc", "linked/data.nc", "tables/deep/a.nc", "hard_table.nc"],
)
def test_an_input_is_never_replaced(folder, out, force):
    with pytest.raises(DataError, match="is an input of this command"):
        check(folder, out, force)


def test_an_input_given_by_a_link_is_known_by_its_target(folder):
    with pytest.raises(DataError, match="is an input"):
        claim(folder / "in" / "data.nc", suffixes=[".nc"], inputs=[folder / "link.nc"], force=True)


def test_relative_and_absolute_paths_are_the_same_file(folder):
    from pathlib import Path

    with pytest.raises(DataError, match="is an input"):
        claim(Path("in/data.nc"), suffixes=[".nc"], inputs=[folder / "in" / "data.nc"], force=True)


def test_another_file_is_replaced_by_force_alone(folder):
    with pytest.raises(DataError, match=r"other\.nc already exists; .*--force"):
        check(folder, "other.nc", False)
    check(folder, "other.nc", True)
    assert (folder / "other.nc").read_text() == "other"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("out", "line"),
    [
        ("out", "is a folder"),
        ("out/x.png", r"ends in \.nc or \.cdf"),
        ("out/x", r"ends in \.nc or \.cdf"),
        ("missing/x.nc", "missing is not a folder: create it"),
        ("other.nc/x.nc", "is not a folder"),
        ("pipe.nc", "is not a regular file"),
    ],
)
def test_what_cannot_be_a_result(folder, out, line, force):
    with pytest.raises(DataError, match=line):
        check(folder, out, force)


def test_a_new_file(folder):
    check(folder, "out/new.nc", False)
    assert list((folder / "out").iterdir()) == []


def test_a_dangling_link_exists(folder):
    (folder / "dangling.nc").symlink_to("nowhere")
    with pytest.raises(DataError, match="already exists"):
        check(folder, "dangling.nc", False)


def tables(folder, out, force=False):
    claim_folder(
        folder / out, names=["a.nc", "b.nc"], inputs=[folder / "in" / "data.nc", folder / "tables"], force=force
    )


def test_files_in_a_folder(folder):
    tables(folder, "out")
    tables(folder, "new")
    (folder / "out" / "b.nc").write_text("other")
    with pytest.raises(DataError, match=r"b\.nc already exists"):
        tables(folder, "out")
    tables(folder, "out", force=True)
    with pytest.raises(DataError, match="is an input"):
        tables(folder, "tables/deep", force=True)
    with pytest.raises(DataError, match="is a file; give a folder"):
        tables(folder, "other.nc", force=True)
    with pytest.raises(DataError, match="is not a folder: create it"):
        tables(folder, "missing/new", force=True)
    (folder / "out" / "a.nc").mkdir()
    with pytest.raises(DataError, match="is not a regular file"):
        tables(folder, "out", force=True)
