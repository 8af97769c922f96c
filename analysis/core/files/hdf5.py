"""Read and write HDF5 files (NWB, netCDF), safely on full disks and on file systems without locks.

HDF5 locks a file while it is open. If another process holds the lock, the file is being written. Some NFS and Lustre
file systems have no locks; there, the file is read without one.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py

from analysis.core.errors import DataError, unreadable
from analysis.core.files.write import atomic, reserve

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
FAILURES = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, OverflowError)
"""Exceptions that h5py raises on damaged files."""
CUT = re.compile(r"truncated file: eof = (\d+).* stored_eof = (\d+)")


@contextmanager
def create(path: str | os.PathLike, track_order: bool | None = None) -> Iterator[h5py.File]:
    """Yield a new HDF5 file, which is written to `path` when the block succeeds, whole or not at all.

    The file is built in memory and written once its disk space is reserved: HDF5 does not recover from a failed write,
    and crashes the process when it retries on exit.

    Parameters
    ----------
    path : path
    track_order : bool, optional
        Keep the order in which variables and attributes were created, as netCDF requires.

    Raises
    ------
    WriteError
        If `path` cannot be written.
    """
    with atomic(path) as part:
        file = h5py.File(part, "w", driver="core", backing_store=True, locking=False, track_order=track_order)
        try:
            yield file
            reserve(part, file.id.get_filesize())
            file.close()
        except BaseException:
            _abandon(file, part)
            raise


def _abandon(file: h5py.File, part: Path) -> None:
    """Close a file that cannot be written, sending what HDF5 still writes to `part` to the null device."""
    target, null = part.stat(), os.open(os.devnull, os.O_RDWR)
    for number in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
        with suppress(OSError):
            if os.path.samestat(os.fstat(number), target):
                os.dup2(null, number, inheritable=False)
    os.close(null)
    with suppress(RuntimeError, OSError):
        file.close()


@contextmanager
def create_netcdf(path: str | os.PathLike) -> Iterator:
    """Yield a new ``h5netcdf.File``, which is written to `path` when the block succeeds. Raises like `create`."""
    import h5netcdf

    with create(path, track_order=True) as file, h5netcdf.File(file, "w") as netcdf:
        yield netcdf


def write_dataset(dataset, path: str | os.PathLike, encoding: dict | None = None) -> None:
    """Write an xarray dataset as netCDF-4; equal datasets give equal bytes. Raises like `create`."""
    from xarray.backends import H5NetCDFStore

    with create_netcdf(path) as netcdf:
        store = H5NetCDFStore(netcdf, lock=False)
        dataset.dump_to_store(store, encoding=encoding or {})
        store.close()


def read_dataset(path: str | os.PathLike, again: str):
    """Read a netCDF file into memory as an xarray dataset. Raises like `opened`."""
    import h5netcdf
    import xarray
    from xarray.backends import H5NetCDFStore

    with opened(path, "netCDF", again) as file, reading(path, "netCDF", again):
        netcdf = h5netcdf.File(file, "r", decode_vlen_strings=True)
        return xarray.open_dataset(H5NetCDFStore(netcdf, lock=False)).load()


@contextmanager
def opened(path: str | os.PathLike, kind: str, again: str) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Parameters
    ----------
    path : path
    kind : str
        Expected format (``NWB``, ``netCDF``), for messages.
    again : str
        How to get the file again, for messages: ``fetch it again``.

    Raises
    ------
    DataError
        If the file is missing, cannot be read at present, or is damaged; the message says which.
    """
    path = Path(path)
    with reading(path, kind, again):
        if not path.is_file():
            raise DataError(_no_file(path, again))
        file = _open(path)
    try:
        yield file
    finally:
        with suppress(RuntimeError):  # HDF5 may fail even to close a damaged file
            file.close()


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return h5py.File(path, "r", locking=False)


@contextmanager
def reading(path: str | os.PathLike, kind: str, again: str) -> Iterator[None]:
    """Turn any HDF5 error within the block into one line that names the file and the cause.

    Put only reading calls inside: on damaged files h5py raises many types of exception, which anywhere else would be
    bugs in this project.
    """
    try:
        yield
    except FAILURES as error:
        raise DataError(_why(Path(path), kind, again, error)) from error


def _no_file(path: Path, again: str) -> str:
    if path.is_dir():
        return f"{path} is a folder; give the file"
    if path.is_symlink():
        return f"{path} is a broken link to {path.readlink()}: fetch that file (git-annex: `datalad get`)"
    return f"{path} not found: check the path, or {again}"


def _why(path: Path, kind: str, again: str, error: Exception) -> str:
    """Return one line that says why a file cannot be read, and what to do."""
    text = " ".join(str(error).split())
    number = error.errno if isinstance(error, OSError) else None
    if line := unreadable(path, error):
        return str(line)
    if "lock file" in text:
        return (
            f"{path} is open for writing in another process: close it there, then run again"
            " (if no process has it open, HDF5_USE_FILE_LOCKING=FALSE reads without locks)"
        )
    if "consistency flag" in text or "already open for" in text:
        return (
            f"{path} is being written by another process, or its writer died: wait, or clear the flag with"
            f" `h5clear -s`, then run again"
        )
    if found := CUT.search(text):
        return (
            f"{path} is truncated: {found[1]} of {found[2]} bytes. If it is still being written or copied, wait;"
            f" else {again}"
        )
    if number is not None and number != errno.ENOENT and "signature" not in text:
        return f"{path} cannot be read: {os.strerror(number)}; check the disk or its connection, then run again"
    return (
        _content(path, again)
        or f"{path}: damaged or not {_article(kind)} file ({text or type(error).__name__}); {again}"
    )


def _content(path: Path, again: str) -> str:
    """Return the message for a file whose first bytes show that it is not HDF5; else an empty string."""
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError:
        return ""
    if not start:
        return f"{path} is empty: its copy failed or has only begun; wait for it, or {again}"
    if not start.strip(b"\0"):
        return f"{path} begins with zeros: it is still being copied, or its copy failed; wait for it, or {again}"
    if start.startswith(b"version https://git-lfs") or b"/annex/objects" in start:
        return (
            f"{path} is a git-lfs or git-annex pointer, not the file itself:"
            " get it with `git lfs pull` or `datalad get`"
        )
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return f"{path} is a web page, not the file: the download went wrong; {again}"
    return ""


def _article(kind: str) -> str:
    return f"an {kind}" if kind == "NWB" else f"a {kind}"
