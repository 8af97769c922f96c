"""Locks between runs: the kernel releases a lock when its holder ends, however it ends.

A lock is a file that names its holder while it is held. It is never removed, so all runs lock the same file.
"""

import errno
import fcntl
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from analysis.core.errors import DataError
from analysis.core.files import write_error

POLL_S = 0.2
SAY_EVERY_S = 30.0
"""How often a waiting run reports whom it waits for."""
AFTERMATH_S = 0.5
"""How long the workers of a killed holder may outlive it."""
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""Errors from file systems without locks."""


@contextmanager
def held(path: Path, what: str, advice: str, patience_s: float | None = None) -> Iterator[None]:
    """Hold the lock `path` within the block.

    Parameters
    ----------
    path : path
        Created if missing, with its folder.
    what : str
        What the lock protects, for messages.
    advice : str
        What to do if the file system has no locks, for messages.
    patience_s : float, optional
        How long to wait for another holder; by default until it ends, with messages on standard error.

    Raises
    ------
    DataError
        If `patience_s` runs out, the file cannot be written, or its file system has no locks.
    """
    file = _open(path)
    try:
        if not _take(file, path, advice):
            _wait(file, path, what, advice, patience_s)
        if os.fstat(file).st_size:  # the previous holder was killed
            time.sleep(AFTERMATH_S)
            os.ftruncate(file, 0)
        try:
            with suppress(OSError):  # a full disk is reported by whatever writes the results
                os.pwrite(file, _myself().encode(), 0)
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(file, 0)
                fcntl.flock(file, fcntl.LOCK_UN)  # a surviving forked child may have it open
    finally:
        os.close(file)


def awaited(path: Path) -> bool:
    """Return whether another run is waiting for the lock `path`."""
    with if_free(_queue(path)) as free:
        return not free


@contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Hold the lock `path`, which need not exist, unless another run holds it; yield whether it was free."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield True
        return
    try:
        yield _take(file, path, "")
    finally:
        os.close(file)


def _wait(file: int, path: Path, what: str, advice: str, patience_s: float | None) -> None:
    start, said = time.monotonic(), None
    queue = _open(_queue(path))
    try:
        fcntl.flock(queue, fcntl.LOCK_SH)
        while not _take(file, path, advice):
            now = time.monotonic()
            if patience_s is not None and now - start >= patience_s:
                raise DataError(f"{what} is already running ({_holder(file)}): wait for it to finish")
            if patience_s is None and (said is None or now - said >= SAY_EVERY_S):
                print(f"{what}: waiting for {_holder(file)}, which is doing the same work", file=sys.stderr, flush=True)
                said = now
            time.sleep(POLL_S)
    finally:
        os.close(queue)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # the umask decides who else may lock it
    except OSError as error:
        raise write_error(path, error) from error


def _take(file: int, path: Path, advice: str) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        raise DataError(f"{path.parent}: its file system has no file locks ({error.strerror}); {advice}") from error
    return True


def _queue(path: Path) -> Path:
    """Return the lock shared by all runs that wait for the lock `path`."""
    return path.with_name(f"{path.name}.waiting")


def _holder(file: int) -> str:
    return os.pread(file, 1000, 0).decode(errors="replace") or "another process"


def _myself() -> str:
    return f"process {os.getpid()} on {platform.node()} since {time.strftime('%Y-%m-%d %H:%M:%S')}"
