"""The store of verified files and the commands that keep it."""

import hashlib
import os
import time

import pytest

from analysis.acquire.real import blobs, keep, sources
from analysis.acquire.real.stage import published
from analysis.core.errors import DataError
from analysis.core.store import store_root


def keep_bytes(data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    blobs.put(data, digest)
    return digest


def write_to(path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_blob_is_kept_once_and_read_only():
    digest = keep_bytes(b"spikes")
    assert blobs.has(digest, 6)
    assert blobs.blob_path(digest).stat().st_mode & 0o777 == 0o444
    assert keep_bytes(b"spikes") == digest
    assert len(blobs.blobs()) == 1
    assert not blobs.parts()


def test_a_blob_that_was_written_to_is_noticed_and_removed():
    digest = keep_bytes(b"spikes")
    write_to(blobs.blob_path(digest), b"Spikes")  # same size
    assert not blobs.has(digest, 6)
    assert not blobs.blobs()


def test_a_blob_with_another_time_but_the_same_bytes_stays(monkeypatch):
    digest = keep_bytes(b"spikes")
    os.utime(blobs.blob_path(digest), (1, 1))
    assert blobs.has(digest, 6)
    monkeypatch.setattr(blobs, "of_file", lambda *_: pytest.fail("hashed again"))
    assert blobs.has(digest, 6)


def test_the_store_lies_in_the_users_cache_folder_unless_told_otherwise(tmp_path, monkeypatch):
    assert store_root() == tmp_path / "store"
    monkeypatch.delenv("NNN_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert store_root() == tmp_path / "cache/neural-neural-networks"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store_root() == tmp_path / ".cache/neural-neural-networks"


LINKS = ["reflink", "hard link", "symlink", "copy"]


@pytest.mark.parametrize("works", LINKS)
def test_links_in_order(tmp_path, monkeypatch, works):
    digest = keep_bytes(b"spikes")

    def fails(source, target):
        raise OSError(1, "not here")

    def is_not_its_turn(source, target):
        pytest.fail("tried too early")

    make = blobs._symlink if works == "reflink" else blobs.LINKS[works]  # this file system may have no reflinks
    at = LINKS.index(works)
    chosen = dict.fromkeys(LINKS[:at], fails) | {works: make} | dict.fromkeys(LINKS[at + 1 :], is_not_its_turn)
    monkeypatch.setattr(blobs, "LINKS", {name: chosen[name] for name in blobs.LINKS})
    target = tmp_path / "data" / "a.nwb"
    assert blobs.link(digest, target) == works
    assert target.read_bytes() == b"spikes"
    assert blobs.link(digest, target) == works  # over the one that is there
    assert target.is_symlink() == (works in ("reflink", "symlink"))
    assert (target.stat().st_ino == blobs.blob_path(digest).stat().st_ino) == (works != "copy")


def test_a_reflink_that_fails_leaves_room_for_the_next(tmp_path):
    digest = keep_bytes(b"spikes")
    assert blobs.link(digest, tmp_path / "a") in ("reflink", "hard link")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        blobs.link(digest, tmp_path / "file" / "a")


def test_verify_finds_damage_that_kept_size_and_time():
    good, bad = keep_bytes(b"spikes"), keep_bytes(b"fixations")
    path = blobs.blob_path(bad)
    when = path.stat().st_mtime
    write_to(path, b"Fixations")
    os.utime(path, (when, when))
    assert blobs.has(bad, 9)  # not seen without reading it
    assert keep.verify() == [bad]
    assert not blobs.has(bad, 9)
    assert blobs.has(good, 6)
    assert keep.verify() == []


def test_list_names_what_is_known(world):
    published()
    keep_bytes(b"of another project")
    part = blobs.part_path(world.pins_of(world.archive)[0].digest)
    part.write_bytes(b"half")
    lines = keep.listing()
    assert any(line.endswith("listing of the dandiset") for line in lines)
    assert any(line.endswith("db/units.csv.gz") for line in lines)
    assert any(line.endswith("(not pinned)") for line in lines)
    assert any(line.endswith("sub-An/sub-An_ses-20220105T173929.nwb (unfinished)") for line in lines)
    assert lines[-1].startswith("4 files, ")


def test_prune_removes_what_is_old_and_on_request_what_is_not_chosen(world, wanted):
    published()
    kept = len(blobs.blobs())
    other = keep_bytes(b"of another project")
    old, new = blobs.part_path("0" * 64), blobs.part_path("1" * 64)
    old.write_bytes(b"12345")
    new.write_bytes(b"1")
    os.utime(old, (1, 1))
    with blobs.open_part("0" * 64):
        os.utime(old, (1, 1))
        assert keep.prune(None, days=30) == 0  # a download may stall for long
    assert keep.prune(None, days=30) == 5
    assert (old.exists(), new.exists()) == (False, True)
    assert blobs.has(other)
    assert keep.prune([wanted(recordings=["An220105"]).acquire], days=30) == len(b"of another project")
    assert not blobs.has(other)
    assert len(blobs.blobs()) == kept
    assert blobs.has(sources.DANDISET.digest)


def test_an_empty_store_is_fine():
    assert keep.verify() == []
    assert keep.prune(None, 0) == 0
    assert keep.listing() == [f"0 files, 0 bytes, in {store_root()}"]


def test_the_stamp_is_in_the_past():
    digest = keep_bytes(b"spikes")
    assert 10**9 <= blobs.blob_path(digest).stat().st_mtime < time.time()


@pytest.mark.parametrize(
    ("n", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (6_382_805_631, "6.38 GB"), (52_741_296_155, "52.7 GB")],
)
def test_bytes_in_words(n, said):
    assert blobs.show_bytes(n) == said
