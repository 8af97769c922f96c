import errno
import os
import subprocess
import sys
from pathlib import Path

import h5netcdf
import h5py
import numpy as np
import pytest
import xarray as xr

from analysis.core.errors import DataError, WriteError
from analysis.core.files import hdf5
from tests.core.files.limited import limited


@pytest.fixture
def dataset():
    rate = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    coords = {"unit": list("abcde"), "trial": ("fixation", np.arange(200))}
    return xr.Dataset({"rate": (("fixation", "unit"), rate, {"units": "spikes/s"})}, coords, {"window_ms": 200})


def test_a_dataset_has_the_bytes_that_xarray_writes(tmp_path, dataset):
    encoding = {"rate": {"zlib": True, "complevel": 4, "shuffle": True}}
    hdf5.write_dataset(dataset, tmp_path / "a.nc", encoding)
    dataset.to_netcdf(tmp_path / "b.nc", engine="h5netcdf", encoding=encoding)
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()
    assert hdf5.read_dataset(tmp_path / "a.nc", "again").identical(xr.load_dataset(tmp_path / "b.nc"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nc", "b.nc"]


def fill(file):
    group = file.create_group("g", track_order=True)
    for name in "zyx":
        group.create_dataset(name, data=np.random.default_rng(1).random(20_000), compression="gzip")


def test_a_file_has_the_bytes_that_h5py_writes(tmp_path):
    with hdf5.create(tmp_path / "a.h5") as file:
        fill(file)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        fill(file)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


FULL = """
import resource, sys
import numpy as np
from analysis.core.errors import WriteError
from analysis.core.files import hdf5
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    with hdf5.create_netcdf(sys.argv[1]) as file:
        file.dimensions = {"n": 20_000}
        for n in range(3):
            values = np.random.default_rng(n).random(20_000)
            file.create_variable(f"x{n}", ("n",), float, data=values, compression="gzip")
except WriteError as error:
    print(error)
with hdf5.create(sys.argv[1] + ".small") as file:
    file["x"] = 1
"""


@pytest.mark.parametrize("limit", [100_000, 400_000])
def test_a_file_without_room_is_one_line_and_the_program_goes_on_and_ends_well(tmp_path, limit):
    command = [sys.executable, "-c", FULL, str(tmp_path / "x.h5"), str(limit)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith(f"cannot write {tmp_path / 'x.h5'}: File too large (")
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5.small"]


def test_a_disk_too_full_to_begin(tmp_path):
    command = [sys.executable, "-c", FULL.rpartition("with")[0], str(tmp_path / "x.h5"), "3000"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith(f"cannot write {tmp_path / 'x.h5'}: File too large (")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_in_the_block_leaves_the_former_file(tmp_path):
    (tmp_path / "x.h5").write_text("old")
    with pytest.raises(ZeroDivisionError), hdf5.create(tmp_path / "x.h5") as file:
        file["x"] = 1 / 0
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]
    assert (tmp_path / "x.h5").read_text() == "old"


def read(path):
    with hdf5.opened(path, "NWB", "fetch it again") as file:
        return list(file)


@pytest.fixture
def whole(tmp_path):
    path = tmp_path / "x.nwb"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(1000)
    return path


def held(path, mode):
    script = f"import h5py; f = h5py.File({str(path)!r}, {mode!r}); print(flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    return holder


def test_a_file_that_another_process_reads_is_read(whole):
    with held(whole, "r") as holder:
        assert read(whole) == ["x"]
        holder.communicate(b"\n")


def test_a_file_that_another_process_writes_is_said_to_be_so_and_not_damaged(whole):
    with held(whole, "r+") as holder:
        with pytest.raises(DataError, match=r"x\.nwb is open for writing in another process: close it") as raised:
            read(whole)
        holder.communicate(b"\n")
    assert "damaged" not in str(raised.value)
    assert read(whole) == ["x"]


@pytest.mark.parametrize("number", hdf5.NO_LOCKS)
def test_a_file_system_without_locks_is_read_without(whole, monkeypatch, number):
    plain = h5py.File

    def file(*arguments, locking=None, **options):
        if locking is not False:
            raise OSError(number, f"Unable to synchronously open file (unable to lock file, errno = {number})")
        return plain(*arguments, locking=locking, **options)

    monkeypatch.setattr(h5py, "File", file)
    assert read(whole) == ["x"]


def test_a_file_whose_writer_died_before_closing(tmp_path):
    path = tmp_path / "x.nwb"
    script = f"import h5py, os; f = h5py.File({str(path)!r}, 'w', libver='latest'); f['x'] = 1; f.flush(); os._exit(0)"
    subprocess.run([sys.executable, "-c", script], check=True)
    with pytest.raises(DataError, match="is being written by another process, or its writer died"):
        read(path)


@pytest.mark.parametrize("left", [60, 1000, -1])
def test_a_file_cut_short(whole, left):
    content = whole.read_bytes()
    whole.write_bytes(content[:left])
    n = len(content[:left])
    with pytest.raises(DataError, match=rf"x\.nwb is truncated: {n} of {len(content)} bytes.* fetch it again"):
        read(whole)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "is empty"),
        (bytes(5000), "begins with zeros"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab", "is a git-lfs or git-annex pointer"),
        (b"/annex/objects/MD5E-s1--ab.nwb\n", "is a git-lfs or git-annex pointer"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"hello", r"damaged or not an NWB file \(.*\); fetch it again"),
    ],
)
def test_a_file_that_is_something_else(tmp_path, content, line):
    path = tmp_path / "x.nwb"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"x\.nwb:? ?{line}") as raised:
        read(path)
    assert "\n" not in str(raised.value)


def test_no_file(tmp_path):
    (tmp_path / "link.nwb").symlink_to("annex/x")
    for path, line in [
        ("none.nwb", "not found"),
        ("link.nwb", "is a broken link to annex/x: fetch"),
        ("", "a folder"),
    ]:
        with pytest.raises(DataError, match=line):
            read(tmp_path / path)


def test_no_permission(whole):
    def as_another():
        for parent in (whole.parent, *whole.parents):
            if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o111)
        whole.chmod(0)
        if os.geteuid() == 0:
            os.seteuid(65534)
        try:
            read(whole)
        except DataError as error:
            raise RuntimeError(str(error).partition(": ")[2]) from error

    assert limited(as_another, 7, 4096)[1] == [
        "RuntimeError",
        "you have no permission; ask its owner for it (chmod)",
    ]


def test_a_failing_disk(whole, monkeypatch):
    def file(*_, **__):
        raise OSError(errno.EIO, "Unable to synchronously open file (file read failed)")

    monkeypatch.setattr(h5py, "File", file)
    with pytest.raises(DataError, match=r"x\.nwb cannot be read: Input/output error; check the disk"):
        read(whole)


def test_a_dataset_that_is_no_netcdf_is_named(whole):
    with h5netcdf.File(whole, "w") as file:
        file.dimensions = {"n": 2}
        file.create_variable("t", ("n",), float, data=[1, 2]).attrs["units"] = "days since never"
    with pytest.raises(DataError, match=r"x\.nwb: damaged or not a netCDF file .*run the stage"):
        hdf5.read_dataset(whole, "run the stage")


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(WriteError, match=r"cannot write .*x\.nc: .*(a part of the path is a file)"),
        hdf5.create(tmp_path / "file" / "x.nc"),
    ):
        raise AssertionError
