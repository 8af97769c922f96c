"""Work folders: one owner at a time, finished work for those who wait, nothing of a living run removed."""

import os
import threading
import time

import pytest

from analysis.core import store
from analysis.core.errors import DataError
from analysis.core.files import locks

KEY = {"seed": 1}


def leave_work(key):
    """Fail in a stage that has written a checkpoint; return its folder."""

    def fail():
        with store.work_folder("train", key) as folder:
            (folder / "checkpoint").write_bytes(b"123")
            raise ValueError("cut")

    with pytest.raises(ValueError, match="cut"):
        fail()
    [left] = (store.store_root() / "work").glob("*/checkpoint")
    return left.parent


def test_a_work_folder_is_kept_after_a_failure_and_removed_after_success():
    folder = leave_work(KEY)
    with store.work_folder("train", {"seed": 2}) as other:
        assert other != folder
    with store.work_folder("train", KEY) as again:
        assert again == folder
        assert (again / "checkpoint").exists()
    assert not folder.exists()
    assert not other.exists()


def test_who_waits_finds_the_work_done_and_the_last_one_removes_it(capsys):
    found, order = [], []

    def run(name, seconds):
        with store.work_folder("train", KEY) as folder:
            order.append(name)
            found.append(sorted(path.name for path in folder.iterdir()))
            (folder / name).touch()
            time.sleep(seconds)

    runs = [threading.Thread(target=run, args=(name, 1)) for name in "abc"]
    for one in runs:
        one.start()
        time.sleep(0.2)
    for one in runs:
        one.join()
    assert found == [[], order[:1], sorted(order[:2])]
    assert not list((store.store_root() / "work").iterdir())
    said = capsys.readouterr().err.splitlines()
    assert len(said) >= 2
    assert all(line.startswith(f"train: waiting for process {os.getpid()} on ") for line in said)


def test_prune_leaves_what_is_owned_or_recent():
    now = time.time()
    with store.work_folder("train", KEY) as owned:
        left = leave_work({"seed": 2})
        for path in (owned, left / "checkpoint", left):
            os.utime(path, (1, 1))
        assert store.prune(0) == 0
        assert left.exists()
        assert store.prune(now) >= 3
        assert owned.exists()
        assert not left.exists()


@pytest.mark.parametrize("blocked", ["locks", "work"])
def test_a_store_that_cannot_be_written_is_one_line(blocked):
    store.store_root().mkdir()
    (store.store_root() / blocked).write_text("")
    expected = f"^cannot write [^\n]*/{blocked}/[^\n]*$"
    with pytest.raises(DataError, match=expected), store.work_folder("train", KEY):
        pytest.fail("has no folder")


def test_an_awaited_lock_is_told_from_one_that_is_only_held(tmp_path):
    with locks.held(tmp_path / "lock", "x", ""):
        assert not locks.awaited(tmp_path / "lock")
