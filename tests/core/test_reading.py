"""What an earlier stage wrote is read whole, or one line names the file and the stage to run."""

import errno
import json
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from typing_extensions import TypedDict

from analysis.core import paths, reading
from analysis.core.errors import DataError
from analysis.models.network import read_tensors, write_tensors

AGAIN = "run the stage x"


class Entry(TypedDict):
    name: str
    score: float | None


def test_json_is_returned_as_it_stands(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('[{"name": "b", "score": 1, "more": [2]}, {"name": "c", "score": null}]')
    found = [{"name": "b", "score": 1, "more": [2]}, {"name": "c", "score": None}]
    assert reading.read_json(path, AGAIN, list[Entry]) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ('[{"name": "b"', "delimiter"),
        ("{}", "content has the wrong type"),
        ('[{"name": "b"}]', r"no 0\.score"),
        ('[{"name": 1, "score": 2}]', r"0\.name has the wrong type"),
        ('[{"name": "b", "score": "2"}]', r"0\.score has the wrong type"),
    ],
)
def test_json_that_is_damaged_or_foreign_is_named(tmp_path, text, why):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a\.json is damaged \(.*{why}.*\): run the stage x again") as error:
        reading.read_json(path, AGAIN, list[Entry])
    assert "\n" not in str(error.value)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"a\.json is damaged"):
        reading.read_json(path, AGAIN)
    path.unlink()
    with pytest.raises(DataError, match=r"a\.json not found: run the stage x$"):
        reading.read_json(path, AGAIN)


def test_only_an_empty_cell_is_missing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("name,n,empty\nNA,1,\n007,,\n")
    table = reading.read_csv(path, AGAIN, ["name", "n", "empty"], ["name"])
    assert table["name"].tolist() == ["NA", "007"]
    np.testing.assert_array_equal(table["n"], [1, np.nan])
    assert table["empty"].isna().all()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "its last line is incomplete"),
        ("name,n\na,1\nb,23"[:-1], "its last line is incomplete"),
        ("\n", "No columns"),
        ("name\na\n", "no column n"),
        ("name,n\na,1\nb,x\n", "column n contains a non-numeric value"),
        ("name,n\na,1\nb,2,3\n", "Expected 2 fields"),
    ],
)
def test_tables_that_are_cut_or_foreign_are_named(tmp_path, text, why):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a\.csv is damaged \(.*{why}.*\): run the stage x again"):
        reading.read_csv(path, AGAIN, ["name", "n"], ["name"])


def test_arrays_that_are_cut_or_foreign_are_named(tmp_path):
    path, array = tmp_path / "a.npy", np.arange(600, dtype=np.float32).reshape(20, 30)
    np.save(path, array)
    whole = path.read_bytes()
    for mapped in (False, True):
        np.testing.assert_array_equal(reading.read_npy(path, AGAIN, 2, mapped=mapped), array)
        for n in (0, 60, len(whole) // 2):
            path.write_bytes(whole[:n])
            with pytest.raises(DataError, match=r"a\.npy is damaged .*: run the stage x again"):
                reading.read_npy(path, AGAIN, 2, mapped=mapped)
        path.write_bytes(whole)
    for foreign in (array.ravel(), array.astype(int), array.astype(str), np.array([[None]])):
        np.save(path, foreign)
        with pytest.raises(DataError, match=r"a\.npy is damaged .*: run the stage x again"):
            reading.read_npy(path, AGAIN, 2)


@contextmanager
def forbidden(path):
    """A file that the user of this process may not read."""
    for parent in path.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o111)
    path.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.json", lambda path: reading.read_json(path, AGAIN)),
        ("a.csv", lambda path: reading.read_csv(path, AGAIN)),
        ("a.npy", lambda path: reading.read_npy(path, AGAIN, 2)),
        ("mapped.npy", lambda path: reading.read_npy(path, AGAIN, 2, mapped=True)),
        ("a.safetensors", lambda path: read_tensors(path, AGAIN)),
    ],
)
def test_a_file_that_may_not_be_read_is_neither_missing_nor_damaged(tmp_path, name, read):
    path = tmp_path / name
    write_tensors(path, {})
    said = f"{path} cannot be read: you have no permission; ask its owner for it (chmod)"
    with forbidden(path), pytest.raises(DataError) as error:
        read(path)
    assert str(error.value) == said


def test_a_disk_that_fails_is_not_a_damaged_file(tmp_path):
    for number in (errno.EIO, errno.ESTALE):
        with pytest.raises(DataError, match=r"cannot be read: .*; check the disk"), reading.reading(tmp_path, AGAIN):
            raise OSError(number, os.strerror(number))


def test_other_errors_pass(tmp_path):
    with pytest.raises(AssertionError), reading.reading(tmp_path, AGAIN):
        raise AssertionError


def test_files_of_data_raw_are_compared_with_their_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("annotations/a.csv", "report/b.csv"):
        (paths.RAW / name).parent.mkdir(parents=True)
        (paths.RAW / name).write_text("abc\n")
    reading.check_raw(["data/raw"])  # without a list, nothing is compared
    listed = {name: {"size": 4, "sha256": ""} for name in ("annotations/a.csv", "report/b.csv")}
    Path("data/raw/manifest.json").write_text(json.dumps({"files": listed}))
    reading.check_raw(["data/raw", "analysis/core"])
    (paths.RAW / "report/b.csv").write_text("ab\n")
    reading.check_raw(["data/raw/annotations", "data/stimuli"])
    for deps in (["data/raw"], ["data/raw/report"], ["data/raw/report/b.csv"]):
        with pytest.raises(DataError, match=r"report/b\.csv is damaged \(3 bytes of 4\): run the stage acquire again"):
            reading.check_raw(deps)
    (paths.RAW / "report/b.csv").unlink()
    with pytest.raises(DataError, match=r"report/b\.csv not found: run the stage acquire"):
        reading.check_raw(["data/raw"])
    Path("data/raw/manifest.json").write_text('{"files": {"a": 1}}')
    with pytest.raises(DataError, match=r"manifest\.json is damaged \(files\.a has the wrong type"):
        reading.check_raw(["data/raw"])


def test_a_recording_cut_short_is_left_to_the_stage_that_may_go_on_without_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths.DANDISET.mkdir(parents=True)
    (paths.DANDISET / "a.nwb").write_text("ab\n")
    listed = {"dandiset/a.nwb": {"size": 4, "sha256": ""}}
    (paths.RAW / "manifest.json").write_text(json.dumps({"files": listed}))
    reading.check_raw(["data/raw/dandiset"])
    (paths.DANDISET / "a.nwb").unlink()
    with pytest.raises(DataError, match=r"dandiset/a\.nwb not found: run the stage acquire"):
        reading.check_raw(["data/raw/dandiset"])
