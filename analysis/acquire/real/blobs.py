"""Verified files in the store, named by their digests and shared by runs and clones.

``blobs/ab/abcd...`` holds complete files whose hash was checked, ``partial/abcd....part`` unfinished downloads. A blob
is read-only, and its modification time is derived from its hash, so that a changed blob is noticed without reading it.
"""

import errno
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.acquire.real.digests import digits, of_file
from analysis.core import files
from analysis.core.errors import DataError, WriteError
from analysis.core.files.locks import SAY_EVERY_S
from analysis.core.store import store_root

FICLONE = 0x40049409  # Linux ioctl: share the blocks of another file, copy on write
CHUNK = 1 << 20


class Stopped(Exception):
    """Waiting for another process was cancelled."""


def blob_path(digest: str) -> Path:
    """Return the path of the file with that digest; it need not exist."""
    return store_root() / "blobs" / digits(digest)[:2] / digest


def part_path(digest: str) -> Path:
    """Return the path of the unfinished download of the file with that digest."""
    return store_root() / "partial" / f"{digest}.part"


def _stamp(digest: str) -> int:
    """Return the modification time of a verified blob, in whole seconds: derived from its hash, in 2001 or 2002."""
    return 1_000_000_000 + int(digits(digest)[:6], 16)


def has(digest: str, size: int | None = None) -> bool:
    """Return whether the store holds the complete file.

    A blob whose size or modification time has changed is hashed again, and removed if it is damaged.
    """
    path = blob_path(digest)
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if (size is None or found.st_size == size) and found.st_mtime == _stamp(digest):
        return True
    if of_file(path, digest) == digest:
        os.utime(path, (_stamp(digest), _stamp(digest)))
        return True
    path.unlink(missing_ok=True)
    return False


def accept(part: Path, digest: str) -> None:
    """Turn a finished download, whose hash the caller has checked, into a blob."""
    path = blob_path(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    part.chmod(0o444)
    os.utime(part, (_stamp(digest), _stamp(digest)))
    part.replace(path)


def put(data: bytes, digest: str) -> None:
    """Store a small file whose hash the caller has checked."""
    with open_part(digest) as file:
        try:
            os.ftruncate(file, 0)
            left = memoryview(data)
            while left:  # on a disk that is nearly full, a write may take only some of the bytes
                left = left[os.write(file, left) :]
            accept(part_path(digest), digest)
        except OSError as error:
            raise write_error(error) from error


@contextmanager
def open_part(digest: str, stopped: Callable[[], bool] = lambda: False) -> Iterator[int]:
    """Open the unfinished download of a file for reading and writing, and yield its descriptor.

    Waits while another process fetches the same file; raises `Stopped` once ``stopped()`` is true. Raises `DataError`
    if the store cannot be written.
    """
    path = part_path(digest)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            _lock(file, stopped)
            # The holder of the lock may have finished and renamed the file meanwhile.
            if path.exists() and os.fstat(file).st_ino == path.stat().st_ino:
                break
            os.close(file)
    except OSError as error:
        raise DataError(
            f"cannot write to the store {store_root()}: {error.strerror or error}; set NNN_STORE to a writable folder"
        ) from error
    try:
        yield file
    finally:
        os.close(file)


def _lock(file: int, stopped: Callable[[], bool]) -> None:
    said = time.monotonic()
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if stopped():
                os.close(file)
                raise Stopped from None
            if time.monotonic() - said >= SAY_EVERY_S:
                said = time.monotonic()
                print("fetch: waiting for another run to download the same file", file=sys.stderr, flush=True)
            time.sleep(0.1)


def link(digest: str, target: Path) -> str:
    """Link a blob to `target` and return how: reflink, hard link, symbolic link or copy, whichever works first.

    Raises `DataError` if none works.
    """
    source = blob_path(digest)
    last = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
    except OSError as error:
        raise files.write_error(target, error) from error
    for name, make in LINKS.items():
        try:
            make(source, target)
            return name
        except OSError as error:
            last = error
            target.unlink(missing_ok=True)
    raise files.write_error(target, last)


def _reflink(source: Path, target: Path) -> None:
    with source.open("rb") as old, target.open("xb") as new:
        fcntl.ioctl(new.fileno(), FICLONE, old.fileno())


def _symlink(source: Path, target: Path) -> None:
    target.symlink_to(source.resolve())


LINKS = {"reflink": _reflink, "hard link": lambda s, t: t.hardlink_to(s), "symlink": _symlink, "copy": shutil.copyfile}


def blobs() -> list[Path]:
    """Return all blobs, sorted by hash."""
    return sorted(path for path in (store_root() / "blobs").glob("??/*") if path.is_file())


def parts() -> list[Path]:
    """Return all unfinished downloads."""
    return sorted((store_root() / "partial").glob("*.part"))


def damaged(path: Path) -> bool:
    """Hash a blob again; return whether the hash differs from its name."""
    return of_file(path, path.name) != path.name


def check_room(needed: int) -> None:
    """Raise `DataError` if the store's file system has less than `needed` bytes free."""
    root = store_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(root).free
    except OSError as error:
        raise DataError(f"cannot use the store {root}: {error.strerror}; set NNN_STORE to another folder") from error
    if free < needed:
        raise DataError(
            f"{root} has {show_bytes(free)} free but {show_bytes(needed)} needed: "
            "select less in params.yaml (acquire) or set NNN_STORE to a larger disk"
        )


def write_error(error: OSError) -> WriteError:
    """Return the error for a failed write to the store."""
    what = "is full" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else f"({error.strerror})"
    return WriteError(
        f"the store {store_root()} {what}; downloads are kept: free some space or set NNN_STORE, and run again"
    )


def show_bytes(n: float) -> str:
    """Format a number of bytes with three digits and a decimal unit."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n < 1000 or unit == "GB":
            break
        n /= 1000
    return f"{n:.0f} {unit}" if unit == "bytes" else f"{n:.3g} {unit}" if n < 1000 else f"{n:.0f} {unit}"
