"""``dvc repro`` that ends cleanly on SIGTERM, as container engines and batch systems send it.

By itself DVC dies of the signal and leaves its locks behind; in the next container their holder's process number is
taken again, by another process, and the pipeline counts as busy. Here the signal unwinds DVC instead: locks are let
go, finished stages stay, the unfinished stage runs again next time.
"""

import signal
import sys

from dvc.cli import main


def stop(number: int, _frame) -> None:
    """End this process the way a shell reports a signal, but through its ``finally`` blocks."""
    signal.signal(number, signal.SIG_IGN)
    print("stopped by a signal: finished stages are kept, run again to go on", file=sys.stderr, flush=True)
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    sys.exit(main(["repro", *sys.argv[1:]]))
