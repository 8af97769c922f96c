"""Write a split (spanned) zip archive as Info-ZIP's ``zip -s`` does: ``NAME.z01``, ``NAME.z02``, ..., ``NAME.zip``.

The standard library supports single-volume archives only. Records follow PKWARE's APPNOTE 6.3 (sections 4.3.7,
4.3.12, 4.3.16, 8.5): the first volume opens with the spanning signature, member data may continue in
the next volume but a header may not, and the central directory gives the volume and offset of each member's header.
"""

import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

from analysis.core.errors import DataError

SPANNING_SIGNATURE = b"PK\x07\x08"
DOS_TIME, DOS_DATE = 0, (1 << 5) | 1  # midnight of 1 January 1980: archives must not contain the time of the run
VERSION = 20
MEMBERS_WITHOUT_ZIP64 = 0xFFFF
BYTES_WITHOUT_ZIP64 = 0xFFFFFFFF


class _Volumes:
    """Consecutive files of at most `size` bytes, renamed to their final names on `close`."""

    def __init__(self, base: Path, size: int):
        self.base, self.size = base, size
        self.number = -1
        self.parts: list[Path] = []
        self._next()

    def _next(self):
        if self.number >= 0:
            self.file.close()
        self.number += 1
        self.parts.append(self.base.with_name(f".{self.base.name}.part{self.number}"))
        self.file = self.parts[-1].open("wb")
        self.used = 0

    def write_whole(self, data: bytes) -> tuple[int, int]:
        """Write `data` within one volume; return the number of that volume and the offset in it."""
        if self.used and self.used + len(data) > self.size:
            self._next()
        place = self.number, self.used
        self.file.write(data)
        self.used += len(data)
        return place

    def write_across(self, data: bytes) -> None:
        """Write `data`, continuing in the next volume when one is full."""
        data = memoryview(data)
        while len(data):
            if self.used >= self.size:
                self._next()
            piece = data[: self.size - self.used]
            self.file.write(piece)
            self.used += len(piece)
            data = data[len(piece) :]

    def close(self) -> list[Path]:
        self.file.close()
        names = [self.base.with_name(f"{self.base.name}.z{i + 1:02d}") for i in range(self.number)]
        names.append(self.base.with_name(f"{self.base.name}.zip"))
        for part, name in zip(self.parts, names, strict=True):
            part.replace(name)
        return names

    def discard(self) -> None:
        self.file.close()
        for part in self.parts:
            part.unlink(missing_ok=True)


def write_split_zip(base: str | os.PathLike, members: Iterable[tuple[str, bytes]], volume_bytes: int) -> list[Path]:
    """Write `members` to the volumes ``base.z01`` ... ``base.zip`` and return these, in order.

    Members are names, with forward slashes, and contents, deflated where that is smaller. A volume has at most
    `volume_bytes`. Raises `DataError` if a volume is too small for a header, or the archive would need zip64.
    """
    if volume_bytes < 1024:
        raise DataError(f"volumes of {volume_bytes} bytes cannot hold a zip header: give 1024 or more")
    volumes = _Volumes(Path(base), volume_bytes)
    try:
        volumes.write_whole(SPANNING_SIGNATURE)
        _write_directory(volumes, [_write_member(volumes, name, content) for name, content in members])
    except BaseException:
        volumes.discard()
        raise
    return volumes.close()


def _write_member(volumes: _Volumes, name: str, content: bytes) -> tuple[bytes, int, int]:
    """Write header and data of one member; return its name, the fields common to both headers, and its position."""
    if len(content) >= BYTES_WITHOUT_ZIP64:
        raise DataError(f"{name}: {len(content)} bytes need zip64, which this writer does not write")
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush()
    method = 8
    if len(packed) >= len(content):
        method, packed = 0, content
    encoded = name.encode("ascii")
    sizes = zlib.crc32(content), len(packed), len(content), len(encoded)
    shared = struct.pack("<HHHHHIIIHH", VERSION, 0, method, DOS_TIME, DOS_DATE, *sizes, 0)
    place = volumes.write_whole(b"PK\x03\x04" + shared + encoded)
    volumes.write_across(packed)
    return encoded, shared, place


def _write_directory(volumes: _Volumes, entries: list) -> None:
    """Write the central directory and its end record."""
    if len(entries) >= MEMBERS_WITHOUT_ZIP64:
        raise DataError(f"{len(entries)} members need zip64, which this writer does not write")
    start, size, in_volume = None, 0, {}
    for encoded, shared, (volume, offset) in entries:
        unix_file = (0o100644 << 16) & 0xFFFFFFFF
        record = b"PK\x01\x02" + struct.pack("<BB", VERSION, 3) + shared
        record += struct.pack("<HHHII", 0, volume, 0, unix_file, offset) + encoded
        place = volumes.write_whole(record)
        start = start or place
        size += len(record)
        in_volume[place[0]] = in_volume.get(place[0], 0) + 1
    end_bytes = 22
    if volumes.used + end_bytes > volumes.size:
        volumes._next()
    start = start or (volumes.number, volumes.used)
    last, here, n = volumes.number, in_volume.get(volumes.number, 0), len(entries)
    volumes.write_whole(struct.pack("<4sHHHHIIH", b"PK\x05\x06", last, start[0], here, n, size, start[1], 0))
