"""Bytes, rate and time left, in a line now and then where there is no terminal."""

import re
import sys
import time

from analysis.acquire.real.download_progress import Progress


def test_state_counts_only_this_runs_bytes_in_the_rate(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress(total=10_000_000, here=4_000_000)
    assert progress.state() == "4 MB of 10 MB, 0 bytes/s, time left unknown"
    now[0] += 2
    progress.add(2_000_000)
    assert progress.state() == "6 MB of 10 MB, 1 MB/s, 4 s left"


def test_lines_come_now_and_then(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress(total=100, every=10)
    for _ in range(25):
        now[0] += 1
        progress.add(1)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "fetch: 10 bytes of 100 bytes, 1 bytes/s, 90 s left",
        "fetch: 20 bytes of 100 bytes, 1 bytes/s, 80 s left",
    ]


def test_a_terminal_gets_a_bar_with_bytes_rate_and_time_left(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress(total=10_000_000, here=4_000_000)
    time.sleep(0.12)  # it draws ten times a second at most
    progress.add(2_000_000)
    progress.say("fetch: a.nwb: status 503; retrying in 1.0 s")
    progress.close()
    drawn = capsys.readouterr().err.replace("\r", "\n")
    assert "fetch: a.nwb: status 503; retrying in 1.0 s\n" in drawn
    assert re.search(r"fetch:  60%.* 6\.00M/10\.0M \[00:00<00:00, [\d.]+MB/s\]", drawn)
