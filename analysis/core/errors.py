"""Exceptions for errors that the user can fix."""

import errno
import os

OF_PATHS = (errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
"""Errors of a path, whatever lies there."""


class DataError(Exception):
    """Bad input: the message names the file, key or value at fault and says what to do.

    The command line prints it as one line and exits with status 1. Any other exception that escapes a stage is a bug
    in this project and keeps its traceback.
    """


class WriteError(DataError):
    """A file could not be written. The data are not at fault, so code that counts failures must not count this one."""


def unreadable(path: str | os.PathLike, error: Exception) -> DataError | None:
    """Return the error for a file that the operating system refuses to read; None for other errors."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EACCES, errno.EPERM):
        return DataError(f"{path} cannot be read: you have no permission; ask its owner for it (chmod)")
    if number in (errno.EIO, errno.ESTALE):
        why = os.strerror(number)
        return DataError(f"{path} cannot be read: {why}; check the disk or its connection, then run again")
    if number in OF_PATHS:
        return DataError(f"{path} cannot be read: {os.strerror(number)}; check the path")
    return None
