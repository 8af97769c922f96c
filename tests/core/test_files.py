import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from analysis.core import files
from analysis.core.errors import DataError


def test_a_failed_write_leaves_the_former_content_and_nothing_else(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def half():
        with files.atomic(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line_that_names_the_file(tmp_path):
    path = tmp_path / "table.csv"
    with pytest.raises(DataError, match=r"cannot write .*table\.csv: No space left on device"), files.atomic(path):
        raise OSError(28, os.strerror(28))
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_folder_is_one_line_that_names_the_file(tmp_path):
    script = (
        "import os, sys; from analysis.core import files; from analysis.core.errors import DataError\n"
        "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "try: files.write_text(sys.argv[1], 'x')\n"
        "except DataError as error: print(error)"
    )
    # the parents are made passable: pytest's own folders admit only their owner
    folder = tmp_path / "results"
    folder.mkdir(mode=0o555)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o111)
    run = subprocess.run(
        [sys.executable, "-c", script, str(folder / "table.csv")], capture_output=True, text=True, check=False
    )
    assert "table.csv: Permission denied" in run.stdout, run.stderr


def test_an_error_of_another_file_keeps_its_own_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"other\.csv"), files.atomic(tmp_path / "table.csv"):
        (tmp_path / "other.csv").read_text()


def test_csv_keeps_the_digits_that_identify_a_float(tmp_path):
    table = pd.DataFrame({"r": [0.1 + 0.2, 1 / 3]})
    files.write_csv(tmp_path / "t.csv", table)
    assert (pd.read_csv(tmp_path / "t.csv").r == table.r).all()


def test_json_refuses_not_a_number(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "x.json", {"r": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is damaged or not JSON (Expecting value: line 1 column 1 (char 0)): run x"),
        ('{"a": 1', "is damaged or not JSON (Expecting"),
        ("\udce9", "is damaged or not JSON ('utf-8' codec"),
        ("[1]", "holds a list, not a dict: run x"),
        (None, "not found: run x"),
    ],
)
def test_json_that_cannot_be_read_is_named(tmp_path, text, said):
    path = tmp_path / "x.json"
    if text is not None:
        path.write_text(text, errors="surrogateescape")
    with pytest.raises(DataError) as caught:
        files.read_json(path, "run x")
    assert str(caught.value).startswith(f"{path} {said}")
    assert "\n" not in str(caught.value)
