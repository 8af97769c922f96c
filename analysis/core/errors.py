"""The exceptions for errors that the user can mend."""

import errno
import os

OF_PATHS = (errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
"""Errors of a path, whatever lies there."""


class DataError(Exception):
    """Bad input: the message names the file, key or value at fault and says what to do.

    The command line prints it as one line and exits with status 1. Anything else that escapes a stage is a defect of
    this project and keeps its traceback.
    """


class WriteError(DataError):
    """A file could not be written. The data are not at fault: whoever counts failures must not count this one."""


def unreadable(path: str | os.PathLike, error: Exception) -> DataError | None:
    """Return the line for a file that the system does not let be read, whatever it holds; None for other errors."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EACCES, errno.EPERM):
        return DataError(f"{path} cannot be read: you have no permission; ask its owner for it (chmod)")
    if number in (errno.EIO, errno.ESTALE):
        why = os.strerror(number)
        return DataError(f"{path} cannot be read: {why}; check the disk or its connection, then run again")
    if number in OF_PATHS:
        return DataError(f"{path} cannot be read: {os.strerror(number)}; check the path")
    return None
