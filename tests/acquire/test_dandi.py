"""The dandiset through the real dandi client: the pinned listing, and byte streams that survive faults."""

import csv
import socket
import subprocess
import sys
import time

import pytest

from analysis.acquire.real import blobs, dandi, sources
from analysis.acquire.real.download import fetch
from analysis.acquire.real.http_session import reach
from analysis.core.errors import DataError
from tests.acquire.world import World
from tests.servers.dandi import Dandi
from tests.servers.loopback import Fault, serve

pytestmark = pytest.mark.usefixtures("deadline")


def published(world) -> list[sources.Pin]:
    return [pin for pin in World.pins_of(world.archive) if "_behavior" not in pin.path]


def test_the_whole_published_listing_is_verified(reference, monkeypatch):
    with (reference / "dandi-000628-0.230922.1642.csv").open() as file:
        rows = [(row["path"], int(row["size"]), row["sha256"]) for row in csv.DictReader(file)]
    with serve(Dandi(files=rows)) as server:
        monkeypatch.setenv("NNN_DANDI_API", server.api)
        pins = dandi.listing(sources.DANDISET)
        assert len(server.log) == 3  # pages, not one request per file
        assert dandi.listing(sources.DANDISET) == pins
        assert len(server.log) == 3
    assert len(pins) == 2037
    assert sum(pin.size for pin in pins) == 52_741_296_155
    assert sum(pin.size for pin in pins if not pin.path.endswith("_behavior.nwb")) == 5_604_480_675 + 778_324_956


@pytest.mark.parametrize("change", ["digest", "size", "path", "missing", "more"])
def test_any_difference_in_the_listing_is_refused_before_anything_is_fetched(world, change):
    path, size, digest = world.dandi.files[3]
    world.dandi.files[3] = {
        "digest": (path, size, "0" * 64),
        "size": (path, size + 1, digest),
        "path": (path.replace("sub-", "sub-X", 1), size, digest),
        "missing": world.dandi.files[2],
        "more": (path, size, digest),
    }[change]
    if change == "more":
        world.dandi.files.append(("sub-An/new.nwb", 1, "1" * 64))
    world.dandi.__post_init__()
    with pytest.raises(
        DataError, match=r"DANDI:000628/0\.230922\.1642: the listing of .* differs from the pinned listing"
    ):
        fetch(dandi.items(sources.DANDISET, published(world)))
    assert not world.dandi.asked("blobs")
    assert not blobs.blobs()


def test_the_order_of_the_listing_is_of_no_matter(world):
    world.dandi.files.reverse()
    assert len(dandi.listing(sources.DANDISET)) == 15


def test_pages_that_come_side_by_side_are_not_mixed_up(world, monkeypatch):
    monkeypatch.setattr(dandi, "PAGE", 2)
    for _ in range(5):
        assert len(dandi.assets(sources.DANDISET)) == 15  # or the digest of the listing is another


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("_image.nwb", "cut", at=20_000, times=3)],
        [Fault("blobs", "corrupt", at=20_000), Fault("blobs", "short", at=9_000)],
        [Fault("blobs", "cut", at=30_000), Fault("blobs", "norange", times=2)],
        [Fault("download/", "503", times=2), Fault("blobs", "429", retry_after="1")],
        [Fault("blobs", "stall", at=10_000), Fault("blobs", "trickle", at=70_000)],
        [Fault("blobs", "stall"), Fault("blobs", "408"), Fault("blobs", "500", times=2)],
        [Fault("assets/?", "503", times=2)],
    ],
    ids=lambda faults: " ".join(fault.mode for fault in faults),
)
def test_streams_through_the_client_are_healed(world, hasty, faults):
    world.dandi.faults = faults
    pins = published(world)
    assert fetch(dandi.items(sources.DANDISET, pins), hasty) == len(pins)
    assert [blobs.blob_path(pin.digest).read_bytes() for pin in pins] == [
        (world.archive / pin.path).read_bytes() for pin in pins
    ]
    assert all(fault.times == 0 for fault in world.dandi.faults)


def test_a_listing_that_trickles_is_asked_again(world, hasty):
    world.dandi.faults = [Fault("assets/?", "trickle", times=2)]
    assert len(dandi.assets(sources.DANDISET, hasty)) == 15
    world.dandi.faults = [Fault("assets/?", "trickle", times=-1)]
    with pytest.raises(DataError, match=r"cannot list the files at .* \(no answer in time\)"):
        dandi.assets(sources.DANDISET, hasty)


def test_a_stream_through_the_client_is_resumed(world, hasty):
    pin = published(world)[0]
    world.dandi.faults = [Fault("blobs", "cut", at=65_536)]
    fetch(dandi.items(sources.DANDISET, [pin]), hasty)
    assert [request.start for request in world.dandi.asked("blobs")] == [None, 65_536]


def test_a_file_that_the_archive_lost_is_an_error_at_once(world, hasty):
    pin = published(world)[0]
    (world.archive / pin.path).unlink()
    with pytest.raises(DataError, match=rf"{pin.path}: the server returned 404") as caught:
        fetch(dandi.items(sources.DANDISET, [pin]), hasty)
    assert len(world.dandi.asked("blobs")) == 1
    assert "secret" not in str(caught.value)


def test_an_archive_that_cannot_be_reached_or_is_none(world, monkeypatch):
    monkeypatch.setenv("NNN_DANDI_API", f"{world.github.base}/api")
    with pytest.raises(DataError, match=r"DANDI:000628.*404"):
        dandi.listing(sources.DANDISET)
    (world.raw / "api/dandisets/000628/versions/0.230922.1642/assets").mkdir(parents=True)
    monkeypatch.setattr(type(world.github), "answer", lambda self, handler, *_: handler.send_json({"hello": 1}))
    with pytest.raises(DataError, match="is not a DANDI API; check NNN_DANDI_API"):
        dandi.listing(sources.DANDISET)


def test_nothing_is_called_but_the_address_given(world, hasty, monkeypatch):
    port = int(world.dandi.base.rpartition(":")[2])
    called = set()
    connect = socket.socket.connect

    def watched(self, address):
        called.add(address)
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    resolve = socket.getaddrinfo
    hosts = set()
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: hosts.add(host) or resolve(host, *rest, **more)
    )
    monkeypatch.delenv("DANDI_NO_ET", raising=False)
    fetch(dandi.items(sources.DANDISET, published(world)[:2]), hasty)
    assert called == {("127.0.0.1", port)}
    assert hosts == {"127.0.0.1"}  # also where a look-up fails before it connects


def test_the_client_prints_nothing_of_its_own():
    # in a process of its own, since the client sets its level when it is first loaded
    code = (
        "import logging; from analysis.acquire.real.http_session import dandi_client; "
        "dandi_client('http://localhost', None); logging.basicConfig(); "
        "logging.getLogger('dandi').critical('HTTP connection failed')"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("", "")


def test_without_a_network_it_takes_seconds_and_says_so(capsys):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/api"
        begin = time.monotonic()
        with pytest.raises(DataError, match=rf"DANDI: no connection to {url} \(.*refused\); check the network"):
            reach(url, "DANDI", tries=2)
    assert time.monotonic() - begin < 10
    assert capsys.readouterr().err.splitlines()[0] == "DANDI: connecting to 127.0.0.1"


def test_a_host_that_listens_is_reached():
    with socket.socket() as open_:
        open_.bind(("127.0.0.1", 0))
        open_.listen()
        reach(f"http://127.0.0.1:{open_.getsockname()[1]}/api", "DANDI", tries=1)


def test_behind_a_proxy_nothing_is_tried(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    reach("http://archive.invalid/api", "DANDI", tries=1)
