"""Progress of a download in bytes: a bar on a terminal, otherwise a line every few seconds."""

import sys
import threading
import time

from analysis.acquire.real.blobs import show_bytes


class Progress:
    """Counts downloaded bytes from several threads.

    `here` bytes of `total` were fetched by an earlier run. Without a terminal, a line is printed every `every` seconds.
    """

    def __init__(self, total: int, here: int = 0, every: float = 10.0):
        self.total, self.done, self.first, self.every = total, here, here, every
        self._lock = threading.Lock()
        self._start = self._last = time.monotonic()
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(desc="fetch", total=total, initial=here, unit="B", unit_scale=True)

    def add(self, n: int) -> None:
        """Count `n` more bytes; negative if bytes are discarded."""
        with self._lock:
            self.done += n
            if self._bar is not None:
                self._bar.update(n)
            elif time.monotonic() - self._last >= self.every:
                self._last = time.monotonic()
                self.say(f"fetch: {self.state()}")

    def state(self) -> str:
        """Return bytes done, rate and time left as text."""
        seconds = max(time.monotonic() - self._start, 1e-3)
        rate = (self.done - self.first) / seconds
        left = f"{(self.total - self.done) / rate:.0f} s left" if rate > 0 else "time left unknown"
        return f"{show_bytes(self.done)} of {show_bytes(self.total)}, {show_bytes(max(rate, 0))}/s, {left}"

    def say(self, line: str) -> None:
        """Print a line without breaking the bar."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Close the bar, leaving it on the screen."""
        if self._bar is not None:
            self._bar.close()
