import errno
import fcntl
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from analysis.core import files
from analysis.core.errors import DataError, WriteError
from analysis.models.network import write_tensors
from tests.core.files.limited import limited


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


def test_a_write_error_says_what_to_do():
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES):
        line = str(files.write_error("results/x.csv", OSError(number, os.strerror(number))))
        assert line.startswith(f"cannot write results/x.csv: {os.strerror(number)} (")
        assert "{" not in line


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_an_error_of_writing_that_nobody_put_into_words(number):
    assert isinstance(files.system_error(OSError(number, os.strerror(number))), WriteError)
    assert "x.csv" in str(files.system_error(OSError(errno.EACCES, "Permission denied", "x.csv")))
    assert files.system_error(FileNotFoundError(errno.ENOENT, "No such file", "x.csv")) is None


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: path.mkdir(), "Is a directory"),
        (os.mkfifo, "not a file but a device or pipe"),
        (lambda path: path.symlink_to("/dev/null"), "not a file but a device or pipe"),
    ],
)
def test_what_is_no_file_is_not_replaced(tmp_path, make, line):
    path = tmp_path / "x.csv"
    make(path)
    with pytest.raises(WriteError, match=line):
        files.write_text(path, "x")
    assert list(tmp_path.iterdir()) == [path]
    assert not path.is_file()


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path):
    kept, link, hard = tmp_path / "cache", tmp_path / "link.csv", tmp_path / "hard.csv"
    kept.write_text("kept")
    link.symlink_to(kept)
    hard.hardlink_to(kept)
    for path in (link, hard):
        files.write_text(path, "new")
    assert kept.read_text() == "kept"
    assert link.read_text() == hard.read_text() == "new"


def test_what_a_killed_process_left_is_replaced(tmp_path):
    (tmp_path / ".x.csv.part").write_text("half of a longer text")
    (tmp_path / ".x.csv.part").chmod(0o600)
    files.write_text(tmp_path / "x.csv", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
    assert (tmp_path / "x.csv").read_text() == "new"


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path = tmp_path / "x.csv"
    with files.atomic(path) as first, files.atomic(path) as second:
        first.write_text("first")
        second.write_text("second")
        assert first != second
    assert path.read_text() == "first"  # which ended last
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    for text in ("first", "second"):
        files.write_text(tmp_path / "x.csv", text)
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


WRITERS = {
    "x.csv": lambda path: files.write_csv(path, pd.DataFrame({"a": [1]})),
    "x.json": lambda path: files.write_json(path, 1),
    "x.npy": lambda path: files.write_npy(path, np.ones(2)),
    "x.png": lambda path: files.write_figure(path, Figure(), format="png"),
    "x.pdf": lambda path: files.write_figure(path, Figure(), format="pdf"),
    "x.bin": lambda path: files.copy(sys.executable, path),
    "x.safetensors": lambda path: write_tensors(path, {"a": torch.ones(2)}),
}


@pytest.mark.parametrize("umask", [0o022, 0o007, 0o077])
@pytest.mark.parametrize("name", WRITERS)
def test_the_mode_is_that_of_the_umask(tmp_path, name, umask):
    before = os.umask(umask)
    try:
        WRITERS[name](tmp_path / name)
    finally:
        os.umask(before)
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_writer_cannot_choose_another_mode(tmp_path):
    with files.atomic(tmp_path / "x") as part:
        part.unlink()
        part.touch(0o600)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    os.umask(mask := os.umask(0))
    return mask


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_larger_than_allowed_is_one_line(tmp_path, name):
    status, told = limited(lambda: WRITERS[name](tmp_path / name), resource.RLIMIT_FSIZE, 1)
    why = "File too large (the file size limit is exceeded: see `ulimit -f`)"
    assert (status, told) == (0, ["WriteError", f"cannot write {tmp_path / name}: {why}"])
    assert list(tmp_path.iterdir()) == []


def test_a_memory_map_has_its_room_before_it_is_written(tmp_path):
    array = files.create_memmap(tmp_path / "x.npy", np.float32, (3, 1000))
    assert (tmp_path / "x.npy").stat().st_blocks * 512 >= array.nbytes
    array[:] = 1
    array.flush()
    assert np.load(tmp_path / "x.npy").sum() == 3000
    np.save(tmp_path / "y.npy", np.ones((3, 1000), np.float32))
    assert (tmp_path / "x.npy").read_bytes() == (tmp_path / "y.npy").read_bytes()


def test_a_memory_map_without_room_leaves_nothing(tmp_path):
    def make():
        files.create_memmap(tmp_path / "x.npy", np.float32, (100, 100))

    status, told = limited(make, resource.RLIMIT_FSIZE, 10_000)
    assert (status, told[0]) == (0, "OSError")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(errno.EOPNOTSUPP, "Operation not supported"), AttributeError("no")])
def test_room_is_made_by_writing_where_it_cannot_be_reserved(tmp_path, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    path = tmp_path / "x"
    path.write_bytes(b"begin")
    os.truncate(path, 3_000_000)
    files.reserve(path, 3_000_000)
    assert path.stat().st_blocks * 512 >= 3_000_000
    assert path.read_bytes() == b"begin".ljust(3_000_000, b"\0")


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
