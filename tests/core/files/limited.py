"""Run a function in a fork of this process under a limit on its resources."""

import json
import os
import resource
from collections.abc import Callable


def limited(function: Callable[[], object], limit: int, value: int) -> tuple[int, list[str]]:
    """Return the exit status (negative: a signal), and the kind and message of the error that `function` raised."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(limit, (value, value))
        told = []
        try:
            function()
        except Exception as error:
            told = [type(error).__name__, str(error)]
        os.write(write, json.dumps(told).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        told = file.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), json.loads(told or "[]")
