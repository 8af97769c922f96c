import random
import shutil
import struct
import subprocess
import zlib

import pytest

from analysis.core.errors import DataError
from analysis.simulate.split_zip_writer import write_split_zip


def members():
    rng = random.Random(3)
    compressible = [(f"Stimuli/{i:032x}.png", b"grey" * rng.randrange(1, 900)) for i in range(40)]
    noise = [(f"Stimuli/{i:032x}.jpg", rng.randbytes(rng.randrange(1, 9000))) for i in range(40, 80)]
    return compressible + noise + [("Stimuli/empty.jpg", b"")]


def walk(volumes):
    """Read a split archive from PKWARE's description alone, following data over the ends of volumes."""
    data = [v.read_bytes() for v in volumes]
    assert data[0][:4] == b"PK\x07\x08"
    end = data[-1][-22:]
    signature, last, first, here, total, _, offset, comment = struct.unpack("<4sHHHHIIH", end)
    assert (signature, last, comment) == (b"PK\x05\x06", len(volumes) - 1, 0)
    found, volume, place, in_last = {}, first, offset, 0
    for _ in range(total):
        if place >= len(data[volume]):
            volume, place = volume + 1, 0
        in_last += volume == last
        head = struct.unpack("<4s6H3I5H2I", data[volume][place : place + 46])
        assert head[0] == b"PK\x01\x02"
        method, crc, packed, size, length, disk, start = (head[i] for i in (4, 7, 8, 9, 10, 13, 16))
        name = data[volume][place + 46 : place + 46 + length].decode()
        place += 46 + length
        assert data[disk][start : start + 4] == b"PK\x03\x04"
        body = (data[disk][start + 30 + length :] + b"".join(data[disk + 1 :]))[:packed]
        content = zlib.decompress(body, -15) if method == 8 else body
        assert (len(content), zlib.crc32(content)) == (size, crc)
        found[name] = content
    assert in_last == here
    return found


@pytest.mark.parametrize("size", [1024, 7001, 60_000, 10_000_000])
def test_every_member_comes_back(tmp_path, size):
    volumes = write_split_zip(tmp_path / "Stimuli", members(), size)
    assert walk(volumes) == dict(members())
    assert [v.name for v in volumes] == [f"Stimuli.z{i + 1:02d}" for i in range(len(volumes) - 1)] + ["Stimuli.zip"]
    assert all(v.stat().st_size <= size for v in volumes)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(v.name for v in volumes)


def test_a_member_runs_over_the_end_of_a_volume(tmp_path):
    volumes = write_split_zip(tmp_path / "S", [("a.jpg", random.Random(0).randbytes(5000))], 2048)
    assert len(volumes) == 3
    assert all(v.stat().st_size == 2048 for v in volumes[:-1])


def test_equal_input_gives_equal_bytes(tmp_path):
    one = write_split_zip(tmp_path / "A", members(), 20_000)
    two = write_split_zip(tmp_path / "B", members(), 20_000)
    assert [v.read_bytes() for v in one] == [v.read_bytes() for v in two]


@pytest.mark.skipif(not shutil.which("zip") or not shutil.which("unzip"), reason="Info-ZIP is not installed")
def test_info_zip_joins_and_tests_it(tmp_path):
    volumes = write_split_zip(tmp_path / "S", members(), 70_000)
    assert len(volumes) >= 3
    joined = tmp_path / "joined.zip"
    subprocess.run(["zip", "-q", "-s", "0", volumes[-1], "--out", joined], check=True)
    subprocess.run(["unzip", "-tq", joined], check=True, stdout=subprocess.DEVNULL)


def test_a_failure_leaves_nothing(tmp_path):
    def broken():
        yield "a.jpg", bytes(5000)
        raise RuntimeError("cut")

    with pytest.raises(RuntimeError):
        write_split_zip(tmp_path / "S", broken(), 2048)
    assert list(tmp_path.iterdir()) == []


def test_a_volume_too_small_is_named(tmp_path):
    with pytest.raises(DataError, match="volumes of 100 bytes"):
        write_split_zip(tmp_path / "S", members(), 100)
