"""The reader of spanned archives against archives written here, by zipfile and by the zip tool."""

import shutil
import subprocess

import pytest

from analysis.core.errors import DataError
from analysis.stimuli.archive import BLOCK, SplitZip


@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("volume", [300, 70_000, 10**6])
def test_members_of_all_volumes_come_back_byte_for_byte(tmp_path, spanned, noise, volume, zip64):
    Entry, write = spanned
    entries = [
        Entry("Stimuli/", b"", method=0),
        Entry("Stimuli/noise.jpg", noise),
        Entry("Stimuli/flat.png", bytes(3 * BLOCK + 5)),
        Entry("Stimuli/stored.bmp", noise[:9999], method=0),
        Entry("Stimuli/empty.gif", b""),
        Entry("Stimuli/Größe.png", b"x"),
    ]
    paths = write(tmp_path / "Stimuli.zip", entries, volume, zip64)
    assert (len(paths) > 1) == (volume < 10**6)
    with SplitZip(paths[-1]) as archive:
        assert list(archive.members) == [e.name.decode() for e in entries[1:]]
        for entry in entries[1:]:
            assert archive.read(entry.name.decode()) == entry.data
        assert max(len(block) for block in archive.stream("Stimuli/flat.png")) <= BLOCK


def test_an_ordinary_zip_is_read_too(plain_zip, noise):
    path = plain_zip({"a.jpg": noise, "b.jpg": b"b" * 10**6})
    with SplitZip(path) as archive:
        assert archive.read("a.jpg") == noise
        assert archive.read("b.jpg") == b"b" * 10**6


def test_the_zip_tool_is_read(tmp_path, noise):
    if not shutil.which("zip"):
        pytest.skip("the zip tool is not installed")
    (tmp_path / "Stimuli").mkdir()
    for number in range(5):
        (tmp_path / "Stimuli" / f"{number}.jpg").write_bytes(noise[number:])
    subprocess.run(["zip", "-q", "-r", "-s", "64k", "Stimuli.zip", "Stimuli"], cwd=tmp_path, check=True)
    assert len(list(tmp_path.glob("Stimuli.z[0-9]*"))) > 20
    with SplitZip(tmp_path / "Stimuli.zip") as archive:
        assert {name: archive.read(name) for name in archive.members} == {
            f"Stimuli/{number}.jpg": noise[number:] for number in range(5)
        }


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("../../etc/passwd", {}, "leaves the folder"),
        ("Stimuli/../../x.png", {}, "leaves the folder"),
        ("Stimuli\\..\\x.png", {}, "leaves the folder"),
        ("/etc/passwd", {}, "absolute name"),
        ("C:\\x.png", {}, "absolute name"),
        ("Stimuli/x.png", {"mode": 0o120777}, "is a link"),
        ("Stimuli/x.png", {"size": 2**40}, "declares 1099511627776 bytes"),
    ],
)
def test_hostile_members_are_refused(tmp_path, spanned, name, options, said):
    Entry, write = spanned
    size = options.get("size", 0)
    paths = write(tmp_path / "S.zip", [Entry("Stimuli/good.png", b"1"), Entry(name, b"2", **options)], 999, size > 0)
    with pytest.raises(DataError, match=said) as caught:
        SplitZip(paths[-1])
    assert repr(name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"crc": 1}, "wrong CRC-32"),
        ({"size": 4}, "more bytes than 4 stated"),
        ({"size": 9000}, "fewer bytes than 9000 stated"),
        ({"packed": b"\xff\xff\xff\xff"}, "damaged"),
        ({"method": 12}, "compressed by method 12"),
        ({"flags": 1}, "encrypted"),
    ],
)
def test_a_damaged_member_is_named_and_the_others_stay_readable(tmp_path, spanned, noise, options, said):
    Entry, write = spanned
    entries = [Entry("a.png", noise[:5000], **options), Entry("b.png", b"fine")]
    with SplitZip(write(tmp_path / "S.zip", entries, 700)[-1]) as archive:
        with pytest.raises(DataError, match=rf"a\.png is .*{said}|{said}"):
            archive.read("a.png")
        assert archive.read("b.png") == b"fine"


def test_damage_is_seen_before_the_last_block_is_given(tmp_path, spanned, noise):
    Entry, write = spanned
    with SplitZip(write(tmp_path / "S.zip", [Entry("a", noise * 2, method=0, crc=5)], 10**7)[-1]) as archive:
        blocks = archive.stream("a")
        with pytest.raises(DataError, match="CRC"):
            list(blocks)


def test_a_missing_volume_is_named(tmp_path, spanned, noise):
    Entry, write = spanned
    paths = write(tmp_path / "Stimuli.zip", [Entry("a.png", noise)], 70_000)
    paths[1].unlink()
    with pytest.raises(DataError, match=r"volume Stimuli\.z02 is missing \(5 volumes in all\)"):
        SplitZip(paths[-1])
    with pytest.raises(DataError, match="No such file"):
        SplitZip(tmp_path / "Other.zip")


def test_a_volume_cut_short_is_an_error(tmp_path, spanned, noise):
    Entry, write = spanned
    paths = write(tmp_path / "Stimuli.zip", [Entry("a.png", noise)], 70_000)
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:-100])
    with SplitZip(paths[-1]) as archive, pytest.raises(DataError, match=r"a\.png is damaged"):
        archive.read("a.png")
    paths[1].write_bytes(whole)
    paths[-1].write_bytes(paths[-1].read_bytes()[:-5])
    with pytest.raises(DataError, match="no zip directory"):
        SplitZip(paths[-1])


def test_a_damaged_directory_is_an_error(tmp_path, spanned):
    Entry, write = spanned
    path = write(tmp_path / "S.zip", [Entry("a.png", b"1"), Entry("b.png", b"2")], 10**6)[0]
    data = path.read_bytes()
    at = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    path.write_bytes(data[:at] + b"XX" + data[at + 2 :])
    with pytest.raises(DataError, match="damaged zip directory"):
        SplitZip(path)
    path.write_bytes(data[:-12] + (60_000).to_bytes(2, "little") + data[-10:])  # count of members
    with pytest.raises(DataError, match="60000 members do not fit"):
        SplitZip(path)
