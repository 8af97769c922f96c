"""Write files whole or not at all, explain failed writes in one line, and hash files."""

import errno
import fcntl
import hashlib
import io
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from analysis.core.errors import DataError, WriteError

ADVICE = {
    errno.ENOSPC: "{free} available: free some space, then run again",
    errno.EDQUOT: "the quota there is used up: free some space, then run again",
    errno.EFBIG: "the file size limit is exceeded: see `ulimit -f`",
    errno.EROFS: "choose a writable folder, then run again",
    errno.EACCES: "get the permission or choose another place, then run again",
    errno.EPERM: "get the permission or choose another place, then run again",
    errno.ENOTDIR: "a part of the path is a file: choose another place",
    errno.EEXIST: "a part of the path is a file: choose another place",
    errno.EISDIR: "a folder of that name is in the way: move it",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "the disk or its connection fails: check it, then run again",
    errno.ESTALE: "the network disk was lost: check it, then run again",
    errno.ELOOP: "the symbolic links form a loop: fix them",
}
"""What to do, by errno."""
OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Errors that only a write can raise."""
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL
CHUNK = 1 << 20


def write_error(path: str | os.PathLike, error: OSError) -> WriteError:
    """Return the error for a failed write: the file, the cause, what to do."""
    return WriteError(f"cannot write {path}: {_cause(path, error, 'choose another place, then run again')}")


def system_error(error: OSError) -> DataError | None:
    """Return the error for a disk or permission failure that no reader or writer has explained; else None."""
    if error.errno in OF_WRITING:
        return write_error(error.filename or "standard output", error)
    if error.errno in ADVICE and isinstance(error.filename, str | os.PathLike):
        return DataError(f"{error.filename}: {_cause(error.filename, error)}")
    return None


def _cause(path: str | os.PathLike, error: OSError, otherwise: str = "") -> str:
    advice = ADVICE.get(error.errno, otherwise)
    if "{free}" in advice:
        advice = advice.format(free=_free(Path(path)))
    # HDF5 replaces the system's short message with whole paragraphs.
    cause = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
    return cause + (f" ({advice})" if advice else "")


def _free(path: Path) -> str:
    """Return the free disk space at a path that may not exist yet."""
    for folder in path.absolute().parents:
        with suppress(OSError):
            return f"{shutil.disk_usage(folder).free / 1e6:.1f} MB"
    return "nothing"


@contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Turn an `OSError` within the block, which writes to the file or folder `path`, into a `WriteError`.

    Errors about other files pass unchanged.
    """
    path = Path(path)
    try:
        yield
    except OSError as error:
        at = Path(error.filename) if isinstance(error.filename, str | os.PathLike) else path
        if path in at.parents:
            raise write_error(at, error) from error
        if at != path and at not in path.parents and not at.name.startswith(f".{path.name}."):
            raise
        raise write_error(path, error) from error


@contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a new, empty file beside `path`, and rename it to `path` when the block succeeds.

    The folder is created if missing. If the block fails, the temporary file is removed and `path` keeps its previous
    content; temporary files left by killed processes are removed too. The file's mode follows the umask, whatever the
    block sets.

    Raises
    ------
    WriteError
        If the file cannot be written (disk full, folder read-only, a folder or a device of that name).
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_kind(path)
        part, owned = _open_part(path)
        try:
            mode = os.fstat(owned).st_mode
            yield part
            if part.stat().st_mode != mode:
                part.chmod(mode & 0o7777)
            part.replace(path)
        finally:
            os.close(owned)
            with suppress(OSError):  # the folder itself may be unwritable
                part.unlink(missing_ok=True)


def _check_kind(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():  # renaming onto /dev/null would replace it
        raise WriteError(f"cannot write {path}: not a file but a device or pipe; give another name")


def _open_part(path: Path) -> tuple[Path, int]:
    """Create the temporary file of `path`; return its path, and a descriptor that holds a lock on it.

    A temporary file left by a killed process is replaced: nobody holds its lock. If another process is writing the same
    file, or locks do not work there, the temporary file gets a unique name.
    """
    part = path.with_name(f".{path.name}.part")
    with suppress(OSError):
        left = os.open(part, os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
        finally:
            os.close(left)
    with suppress(FileExistsError):
        owned = os.open(part, NEW, 0o666)
        if _owns(owned, part):
            return part, owned
        os.close(owned)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    return part, os.open(part, NEW, 0o666)


def _owns(file: int, path: Path) -> bool:
    """Lock a new file; return False if another process has meanwhile taken it for a leftover and removed it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks there, so nobody removes leftovers
        return True
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def reserve(path: str | os.PathLike, size: int) -> None:
    """Allocate disk space for the first `size` bytes of a file, so that a full disk is an error now.

    The content is kept and extended with zeros. A memory map that found the disk full later would kill the process with
    a bus error.

    Raises
    ------
    OSError
        If the disk is full.
    """
    if not size:
        return
    with Path(path).open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except AttributeError:  # macOS
            _fill(file.fileno(), size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                raise
            _fill(file.fileno(), size)


def _fill(file: int, size: int) -> None:
    """Rewrite the first `size` bytes of a file, with zeros for holes."""
    for start in range(0, size, CHUNK):
        n = min(CHUNK, size - start)
        data = memoryview(os.pread(file, n, start).ljust(n, b"\0"))
        while data:
            written = os.pwrite(file, data, start)
            start, data = start + written, data[written:]
    os.fsync(file)  # a network file system may notice only now that it is full


def create_memmap(path: str | os.PathLike, dtype, shape: tuple[int, ...]) -> np.memmap:
    """Create an ``.npy`` file of zeros, reserve its disk space, and return it as a writable memory map.

    Raises
    ------
    OSError
        If the disk is full.
    """
    try:
        begun = np.lib.format.open_memmap(path, "w+", dtype, shape)
        reserve(path, begun.offset + begun.nbytes)
    except OSError:
        Path(path).unlink(missing_ok=True)  # a resumed run must not take it for an array
        raise
    return begun


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic(path) as part:
        part.write_bytes(data)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: str | os.PathLike, value) -> None:
    """Write `value` as JSON with sorted keys; NaN is an error, since JSON has none."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def write_csv(path: str | os.PathLike, table) -> None:
    """Write a pandas table as CSV without its index; floats are written at full precision."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def write_npy(path: str | os.PathLike, array: np.ndarray) -> None:
    """Write an array as ``.npy``."""
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    write_bytes(path, data.getbuffer())


def write_figure(path: str | os.PathLike, figure, **options) -> None:
    """Write a matplotlib figure; `options` are those of ``savefig``, ``format`` among them."""
    data = io.BytesIO()
    figure.savefig(data, **options)
    write_bytes(path, data.getbuffer())


def copy(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Copy the content of a file to `target`, whole or not at all."""
    with atomic(target) as part, Path(source).open("rb") as old, part.open("wb") as new:
        shutil.copyfileobj(old, new, CHUNK)


def sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file as a hexadecimal string."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_json(value):
    """Convert nested dicts and lists to JSON values: Python numbers, and None for NaN or infinity."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
