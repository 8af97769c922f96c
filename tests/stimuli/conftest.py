"""A writer of spanned zip archives, for the tests of the reader."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


class Entry:
    """One member to write; `tweak` changes fields after they are computed (size, crc, mode, method, flags)."""

    def __init__(self, name, data, method=8, mode=0o100644, **tweak):
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        self.name, self.data, self.method, self.mode = name.encode(), data, method, mode
        self.packed = packer.compress(data) + packer.flush() if method == 8 else data
        self.size, self.crc, self.flags = len(data), zlib.crc32(data), 0x800
        for key, value in tweak.items():
            setattr(self, key, value)


def write_spanned(path: Path, entries: list[Entry], volume: int, zip64: bool = False) -> list[Path]:
    """Write `entries` as volumes of `volume` bytes beside `path` (the last one); return all volume paths."""
    out = bytearray(b"PK\x07\x08")  # the marker that spanned archives begin with
    full = 0xFFFFFFFF
    places = []
    for e in entries:
        places.append(len(out))
        extra = struct.pack("<HHQQ", 1, 16, e.size, len(e.packed)) if zip64 else b""
        sizes = (full, full) if zip64 else (len(e.packed), e.size)
        head = (b"PK\x03\x04", 45, e.flags, e.method, 0, 0, e.crc, *sizes, len(e.name), len(extra))
        out += struct.pack("<4sHHHHHIIIHH", *head) + e.name + extra + e.packed
    directory = len(out)
    for e, place in zip(entries, places, strict=True):
        disk, offset = divmod(place, volume)
        # A foreign field first: the reader has to look for the zip64 one.
        extra = struct.pack("<HHH", 0x7777, 2, 0)
        sizes = (len(e.packed), e.size)
        if zip64:
            extra += struct.pack("<HHQQQI", 1, 28, e.size, len(e.packed), offset, disk)
            sizes, disk, offset = (full, full), 0xFFFF, full
        head = (b"PK\x01\x02", 3 << 8 | 45, 45, e.flags, e.method, 0, 0, e.crc, *sizes, len(e.name), len(extra), 0)
        out += struct.pack("<4sHHHHHHIIIHHHHHII", *head, disk, 0, e.mode << 16, offset) + e.name + extra
    size = len(out) - directory
    n = len(entries)
    disk, offset = divmod(directory, volume)
    tail = 76 + 22 if zip64 else 22
    last = (len(out) + tail - 1) // volume
    if len(out) // volume != last:  # keep the end records in one volume, as writers do
        out += b"\0" * (last * volume - len(out))
    if zip64:
        here = divmod(len(out), volume)
        out += struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, here[0], disk, n, n, size, offset)
        out += struct.pack("<4sIQI", b"PK\x06\x07", *here, last + 1)
        out += struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, full, full, 0)
    else:
        out += struct.pack("<4sHHHHIIH", b"PK\x05\x06", last, disk, n, n, size, offset, 0)
    paths = [path.with_suffix(f".z{i + 1:02d}") for i in range(last)] + [path]
    for i, part in enumerate(paths):
        part.write_bytes(out[i * volume : (i + 1) * volume])
    return paths


@pytest.fixture
def spanned():
    """The class of an entry and the function that writes entries as a spanned archive."""
    return Entry, write_spanned


def png(colour, size=(8, 8), mode="RGB", **save) -> bytes:
    """An image file of one colour."""
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, save.pop("format", "PNG"), **save)
    return file.getvalue()


@pytest.fixture
def picture():
    """The function that makes an image file of one colour."""
    return png


@pytest.fixture
def noise():
    """Bytes that do not compress."""
    return np.random.default_rng(1).bytes(300_000)


@pytest.fixture
def plain_zip(tmp_path):
    """Write an ordinary zip archive of {name: bytes} with the standard library."""

    def write(members: dict[str, bytes], path=None) -> Path:
        path = path or tmp_path / "Stimuli.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return path

    return write
