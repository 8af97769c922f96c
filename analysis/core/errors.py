"""The exceptions for errors that the user can mend."""


class DataError(Exception):
    """Bad input: the message names the file, key or value at fault and says what to do.

    The command line prints it as one line and exits with status 1. Anything else that escapes a stage is a defect of
    this project and keeps its traceback.
    """


class WriteError(DataError):
    """A file could not be written. The data are not at fault: whoever counts failures must not count this one."""
