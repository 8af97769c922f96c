"""Every fault of a real network is healed within its deadline, or refused in one clear line."""

import dataclasses
import email.utils
import resource
import signal
import threading
import time

import pytest

from analysis.acquire.real import blobs
from analysis.acquire.real.download import Item, fetch, get
from analysis.acquire.real.retry import Policy
from analysis.core.errors import DataError
from tests.acquire.world import World, some_bytes
from tests.servers.github import GitHub
from tests.servers.loopback import Fault, serve

SIZE = 300_000

pytestmark = pytest.mark.usefixtures("deadline")


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    for name in "abcdefgh":
        (folder / f"{name}.nwb").write_bytes(some_bytes(name, SIZE))
    with serve(GitHub(folder=folder)) as state:
        yield state


def items(server, names="a") -> list[Item]:
    pins = {pin.path: pin for pin in World.pins_of(server.folder)}
    return [
        Item(pins[f"{n}.nwb"].digest, SIZE, f"{n}.nwb", get(f"{server.base}/{n}.nwb?Signature=secret")) for n in names
    ]


def content(item: Item) -> bytes:
    return blobs.blob_path(item.digest).read_bytes()


HEALED = {
    "cut": [Fault("a.nwb", "cut", at=100_000)],
    "cut often": [Fault("a.nwb", "cut", at=at) for at in range(20_000, SIZE, 20_000)],
    "cut at once": [Fault("a.nwb", "cut", times=3)],
    "short": [Fault("a.nwb", "short", at=100_000)],
    "corrupt": [Fault("a.nwb", "corrupt", at=100_000)],
    "corrupt, then cut": [Fault("a.nwb", "corrupt", at=50_000), Fault("a.nwb", "cut", at=200_000)],
    "ignored Range": [Fault("a.nwb", "cut", at=100_000), Fault("a.nwb", "norange")],
    "408": [Fault("a.nwb", "408")],
    "500": [Fault("a.nwb", "500")],
    "503 twice": [Fault("a.nwb", "503", times=2)],
    "429": [Fault("a.nwb", "429", retry_after="1")],
    "stalled": [Fault("a.nwb", "stall", at=100_000)],
    "stalled before the body": [Fault("a.nwb", "stall")],
    "trickling": [Fault("a.nwb", "trickle", at=100_000)],
}


@pytest.mark.parametrize("name", HEALED)
def test_healed(server, hasty, name):
    server.faults = [Fault(f.match, f.mode, f.times, f.at, f.retry_after) for f in HEALED[name]]
    [item] = items(server)
    assert fetch([item], hasty) == 1
    assert content(item) == some_bytes("a", SIZE)
    assert not blobs.parts()
    assert all(fault.times == 0 for fault in server.faults)  # the fault did happen


def test_a_cut_file_goes_on_from_its_last_byte(server, hasty):
    server.faults = [Fault("a.nwb", "cut", at=131_072)]
    fetch(items(server), hasty)
    assert [request.start for request in server.log] == [None, 131_072]
    assert server.log[1].sent == SIZE - 131_072


def test_a_server_that_ignores_range_starts_the_file_anew(server, hasty):
    server.faults = [Fault("a.nwb", "cut", at=131_072), Fault("a.nwb", "norange")]
    fetch(items(server), hasty)
    assert len(server.log) == 2  # the second answer was used from its first byte on


def test_retry_after_in_seconds_is_honoured(server, hasty):
    server.faults = [Fault("a.nwb", "429", retry_after="2")]
    fetch(items(server), hasty)
    assert server.log[1].when - server.log[0].when > 1.9


def test_retry_after_as_a_date_is_honoured(server, hasty):
    due = int(time.time()) + 3
    server.faults = [Fault("a.nwb", "429", retry_after=email.utils.formatdate(due, usegmt=True))]
    fetch(items(server), hasty)
    assert server.log[1].when + time.time() - time.monotonic() > due - 0.05


def test_waits_grow_and_are_never_the_same_for_all_clients():
    policy = Policy()
    for failures, longest in [(1, 0.5), (2, 1), (4, 4), (9, 30)]:
        waits = [policy.wait(failures) for _ in range(50)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
        assert len(set(waits)) > 40


def test_too_long_a_wait_is_said(server, hasty):
    server.faults = [Fault("a.nwb", "503", retry_after="86400")]
    with pytest.raises(DataError, match=r"a\.nwb: the server returned 503 and asks to wait 86400 s"):
        fetch(items(server), hasty)


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "410"])
def test_given_up_at_once(server, hasty, status):
    server.faults = [Fault("a.nwb", status, times=-1)]
    with pytest.raises(DataError, match=rf"a\.nwb: the server returned {status}") as caught:
        fetch(items(server), hasty)
    assert len(server.log) == 1
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)  # the query of a signed address


@pytest.mark.parametrize(
    ("fault", "said", "requests"),
    [
        (Fault("a.nwb", "corrupt", times=-1, at=7), "the content does not match the pinned hash", 3),
        (Fault("a.nwb", "503", times=-1), "status 503", 7),
        (Fault("a.nwb", "cut", times=-1, at=0), "connection failed or lost", 7),
    ],
)
def test_given_up_in_the_end(server, hasty, fault, said, requests):
    server.faults = [fault]
    with pytest.raises(DataError, match=rf"a\.nwb: gave up after {requests} tries \({said}"):
        fetch(items(server), hasty)
    assert len(server.log) == requests
    assert not blobs.blobs()


def test_a_server_that_trickles_for_ever_is_left(server, hasty):
    hasty = dataclasses.replace(hasty, tries=3, patience=0.5)
    server.faults = [Fault("a.nwb", "trickle", times=-1, at=100_000)]
    with pytest.raises(DataError, match="slower than 2000 bytes/s"):
        fetch(items(server), hasty)


def test_another_file_under_the_name_is_refused(server, hasty):
    (server.folder / "a.nwb").write_bytes(some_bytes("other", SIZE + 5))
    [old] = items(server, "b")
    swapped = Item(old.digest, old.size, "b.nwb", get(f"{server.base}/a.nwb"))
    with pytest.raises(DataError, match=r"b\.nwb: gave up"):
        fetch([swapped], hasty)
    assert not blobs.blobs()


def test_a_failure_keeps_what_the_others_have(server, hasty, monkeypatch):
    monkeypatch.setenv("NNN_CONNECTIONS", "1")
    server.faults = [Fault("c.nwb", "cut", at=200_000), Fault("c.nwb", "404", times=-1)]
    with pytest.raises(DataError, match=r"c\.nwb"):
        fetch(items(server, "abcd"), hasty)
    assert {path.name for path in blobs.blobs()} == {item.digest for item in items(server, "ab")}
    assert [path.stat().st_size >= 131_072 for path in blobs.parts()] == [True]
    server.faults, server.log = [], []
    assert fetch(items(server, "abcd"), hasty) == 2
    assert {request.path[1] for request in server.log} == {"c", "d"}


def test_what_is_there_is_not_asked_for(server, hasty):
    assert fetch(items(server, "abc"), hasty) == 3
    server.log.clear()
    assert fetch(items(server, "abc"), hasty) == 0
    assert fetch(items(server, "abcd"), hasty) == 1
    assert len(server.log) == 1


def test_a_part_left_by_another_run_is_used_or_dropped(server, hasty):
    good, bad, whole, long = items(server, "abcd")
    for item, data in [
        (good, some_bytes("a", SIZE)[:100_001]),
        (bad, some_bytes("x", 50_000)),
        (whole, some_bytes("c", SIZE)),
        (long, some_bytes("d", SIZE) + b"more"),
    ]:
        blobs.part_path(item.digest).parent.mkdir(parents=True, exist_ok=True)
        blobs.part_path(item.digest).write_bytes(data)
    fetch([good, bad, whole, long], hasty)
    starts = {name: [request.start for request in server.asked(f"{name}.nwb")] for name in "abcd"}
    assert starts == {"a": [100_001], "b": [50_000, None], "c": [], "d": [None]}
    assert [content(item) for item in (good, bad, whole, long)] == [some_bytes(name, SIZE) for name in "abcd"]


def test_two_runs_at_once_fetch_a_file_once(server, hasty):
    server.rate = 200_000
    done = []
    threads = [threading.Thread(target=lambda: done.append(fetch(items(server, "abcd"), hasty))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 2
    assert sorted(request.path[1] for request in server.log) == list("abcd")


def test_a_few_at_a_time(server, hasty, monkeypatch):
    server.rate = 600_000  # each takes half a second
    monkeypatch.setenv("NNN_CONNECTIONS", "4")
    fetch(items(server, "abcdefgh"), hasty)
    assert server.most == 4
    monkeypatch.setenv("NNN_CONNECTIONS", "many")
    with pytest.raises(DataError, match="NNN_CONNECTIONS='many'"):
        fetch([Item("0" * 64, 1, "x", get(server.base))], hasty)


def test_a_disk_too_small_is_said_before_the_start(server, hasty, monkeypatch):
    import shutil

    small = shutil.disk_usage("/")._replace(free=SIZE + 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: small)
    with pytest.raises(DataError, match=r"300 kB free but 600 kB needed"):
        fetch(items(server, "ab"), hasty)
    assert not server.log
    assert fetch(items(server, "a"), hasty) == 1


def test_a_disk_that_fills_up_is_said_and_nothing_is_lost(server, hasty):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(DataError, match=r"the store .* is full; downloads are kept") as caught:
            fetch(items(server), hasty)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    [part] = blobs.parts()
    assert part.stat().st_size >= 131_072
    server.log.clear()
    fetch(items(server), hasty)
    assert server.log[0].start == 200_000


def test_a_store_that_cannot_be_written_is_named(server, hasty, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NNN_STORE", str(tmp_path / "file" / "store"))
    with pytest.raises(DataError, match=r"store .*file/store.*NNN_STORE"):
        fetch(items(server), hasty)


def test_ctrl_c_stops_soon_and_keeps_the_part(server, hasty):
    import _thread

    server.rate = 100_000
    begin = []

    def interrupt():
        while len(blobs.parts()) < 2 or min(path.stat().st_size for path in blobs.parts()) < 20_000:
            time.sleep(0.02)
        server.rate = 1000  # now the files would take minutes more
        begin.append(time.monotonic())
        _thread.interrupt_main()

    # A shell starts what it runs in the background with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            fetch(items(server, "ab"), dataclasses.replace(hasty, patience=60))
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begin[0] < 10
    assert [path.stat().st_size > 20_000 for path in blobs.parts()] == [True, True]
    server.rate = 0
    server.log.clear()
    fetch(items(server, "ab"), hasty)
    assert all(request.start > 20_000 for request in server.log)
