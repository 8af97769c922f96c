"""Read spanned zip archives (``Stimuli.z01`` ... ``Stimuli.zip``), which ``zipfile`` cannot read.

The volumes are treated as one byte stream; a position in it is (start of the volume) + (offset within the volume).
Nothing is unpacked to disk: a member is inflated in memory, block by block, and its size and CRC-32 are checked.
Layout and field names: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3 (zip64).
"""

import bisect
import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from analysis.core.errors import DataError, unreadable

END = struct.Struct("<4sHHHHIIH")  # end of central directory
LOCATOR = struct.Struct("<4sIQI")  # zip64 end of central directory locator
END64 = struct.Struct("<4sQHHIIQQQQ")  # zip64 end of central directory
ENTRY = struct.Struct("<4sHHHHHHIIIHHHHHII")  # one member in the central directory
LOCAL = struct.Struct("<4sHHHHHIIIHH")  # header before the member's bytes
BLOCK = 1 << 18
LARGEST_MEMBER = 256 * 2**20
"""Largest unpacked member in bytes; no published image comes close, so more means a damaged or hostile archive."""


@dataclass(frozen=True)
class Member:
    """One file in the archive."""

    name: str
    header: int
    """Position of its local header in the byte stream of all volumes."""
    packed: int
    size: int
    crc: int
    method: int
    encrypted: bool


class SplitZip:
    """A zip archive in one or more volumes, open for reading. Threads may read at the same time.

    Raises `DataError` if a volume is missing, the directory is damaged, or a member has an absolute name or one that
    leaves the folder, is a link, or is larger than `largest`.

    Parameters
    ----------
    path : path
        The last volume, the one that ends in ``.zip``; the others are beside it as ``.z01``, ``.z02`` ...
    largest : int
        Largest size of an uncompressed member, in bytes.
    """

    def __init__(self, path: str | os.PathLike, largest: int = LARGEST_MEMBER):
        self.path = Path(path)
        self._files = []
        try:
            self._open_volumes()
            self.members = {member.name: member for member in self._directory(largest)}
        except (struct.error, UnicodeDecodeError) as error:
            self.close()
            raise DataError(f"{self.path}: damaged zip directory ({error}); fetch the archive again") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Close all volumes."""
        for file in self._files:
            file.close()
        self._files = []

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of a member in blocks; the last block comes only if size and CRC-32 are correct.

        Raises `DataError` if there is no such member, its bytes are damaged, or it is neither stored nor deflated.
        """
        if name not in self.members:
            raise DataError(f"{self.path}: no member {name}")
        member = self.members[name]
        start = self._data_start(member)
        if member.encrypted or member.method not in (0, 8):
            how = "encrypted" if member.encrypted else f"compressed by method {member.method}"
            raise DataError(f"{self.path}: {name} is {how}; only stored and deflated members can be read")
        crc = done = 0
        held = b""
        try:
            for block in self._inflate(member, start) if member.method == 8 else self._blocks(start, member.packed):
                done += len(block)
                if done > member.size:
                    break
                crc = zlib.crc32(block, crc)
                if held:
                    yield held
                held = block
        except zlib.error as error:
            raise self._damaged(name, str(error)) from error
        if done != member.size:
            raise self._damaged(name, f"{'more' if done > member.size else 'fewer'} bytes than {member.size} stated")
        if crc != member.crc:
            raise self._damaged(name, "wrong CRC-32")
        yield held

    def read(self, name: str) -> bytes:
        """Return all bytes of a member, checked (see `stream`)."""
        return b"".join(self.stream(name))

    def _damaged(self, name: str, why: str) -> DataError:
        return DataError(f"{self.path}: {name} is damaged ({why})")

    def _inflate(self, member: Member, start: int) -> Iterator[bytes]:
        unpack = zlib.decompressobj(-15)
        for block in self._blocks(start, member.packed):
            while block and not unpack.eof:
                yield unpack.decompress(block, BLOCK)
                block = unpack.unconsumed_tail
        if not unpack.eof:
            yield unpack.flush()

    def _blocks(self, start: int, size: int) -> Iterator[bytes]:
        for place in range(start, start + size, BLOCK):
            yield self._bytes(place, min(BLOCK, start + size - place))

    def _bytes(self, place: int, size: int) -> bytes:
        """Return `size` bytes starting at `place`, across volumes."""
        if place < 0 or size < 0 or place + size > self._starts[-1]:
            raise DataError(f"{self.path}: the archive ends before byte {place + size}: a volume is truncated")
        parts = []
        while size:
            volume = bisect.bisect_right(self._starts, place) - 1
            part = os.pread(self._files[volume].fileno(), size, place - self._starts[volume])
            if not part:
                raise DataError(
                    f"{self.path}: volume {volume + 1} shrank while it was read; wait for the copy to finish"
                )
            parts.append(part)
            place += len(part)
            size -= len(part)
        return b"".join(parts)

    def _open_volumes(self) -> None:
        try:
            last = self.path.open("rb")
        except OSError as error:
            missing = DataError(f"{self.path}: {error.strerror}; the last volume of the image archive is needed")
            raise unreadable(self.path, error) or missing from error
        self._files = [last]
        self._starts = [0, os.fstat(last.fileno()).st_size]
        tail = self._bytes(max(0, self._starts[1] - END.size - 0xFFFF), min(self._starts[1], END.size + 0xFFFF))
        at = tail.rfind(b"PK\x05\x06")
        while at >= 0 and at + END.size + int.from_bytes(tail[at + 20 : at + 22], "little") != len(tail):
            at = tail.rfind(b"PK\x05\x06", 0, at)
        if at < 0:
            raise DataError(f"{self.path}: no zip directory at its end: truncated or not a zip file; fetch it again")
        end = END.unpack_from(tail, at)
        self._end, end_in_last = end, self._starts[1] - len(tail) + at
        before = self._bytes(end_in_last - LOCATOR.size, LOCATOR.size) if end_in_last >= LOCATOR.size else b""
        self._locator = LOCATOR.unpack(before) if before[:4] == b"PK\x06\x07" else None
        volumes = end[1] + 1
        if end[1] == 0xFFFF and self._locator:
            volumes = self._locator[3]
        names = [self.path.with_suffix(f".z{number:02d}") for number in range(1, volumes)]
        if missing := [name.name for name in names if not name.is_file()]:
            few = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
            raise DataError(f"{self.path}: volume {few} is missing ({volumes} volumes in all); put it beside the .zip")
        self._files = [*(name.open("rb") for name in names), last]
        self._starts = [0]
        for file in self._files:
            self._starts.append(self._starts[-1] + os.fstat(file.fileno()).st_size)

    def _place(self, volume: int, offset: int) -> int:
        if volume >= len(self._files):
            raise DataError(
                f"{self.path}: the directory names volume {volume + 1} of {len(self._files)}; fetch it again"
            )
        return self._starts[volume] + offset

    def _directory(self, largest: int) -> Iterator[Member]:
        _, _, volume, _, count, size, offset, _ = self._end
        if (volume == 0xFFFF or count == 0xFFFF or 0xFFFFFFFF in (size, offset)) and self._locator:
            record = END64.unpack(self._bytes(self._place(self._locator[1], self._locator[2]), END64.size))
            if record[0] != b"PK\x06\x06":
                raise DataError(f"{self.path}: damaged zip64 directory; fetch the archive again")
            _, _, _, _, _, volume, _, count, size, offset = record
        if count * ENTRY.size > size:
            raise DataError(f"{self.path}: {count} members do not fit in a directory of {size} bytes")
        table = self._bytes(self._place(volume, offset), size)
        at = 0
        for _ in range(count):
            entry = ENTRY.unpack_from(table, at)
            if entry[0] != b"PK\x01\x02":
                raise DataError(f"{self.path}: damaged zip directory at byte {at}; fetch the archive again")
            name_size, extra_size, comment_size = entry[10:13]
            name = table[at + ENTRY.size : at + ENTRY.size + name_size]
            extra = table[at + ENTRY.size + name_size : at + ENTRY.size + name_size + extra_size]
            at += ENTRY.size + name_size + extra_size + comment_size
            member = self._member(entry, name, extra)
            if member.name.endswith("/"):
                continue
            _refuse(self.path, member, entry, largest)
            yield member

    def _member(self, entry: tuple, name: bytes, extra: bytes) -> Member:
        _, _, _, flags, method, _, _, crc, packed, size, _, _, _, volume, _, _, offset = entry
        wide = _zip64_field(extra)
        # 64-bit values exist only for fields at their maximum, in this order.
        if size == 0xFFFFFFFF:
            size, wide = struct.unpack_from("<Q", wide)[0], wide[8:]
        if packed == 0xFFFFFFFF:
            packed, wide = struct.unpack_from("<Q", wide)[0], wide[8:]
        if offset == 0xFFFFFFFF:
            offset, wide = struct.unpack_from("<Q", wide)[0], wide[8:]
        if volume == 0xFFFF:
            volume = struct.unpack_from("<I", wide)[0]
        text = name.decode("utf-8" if flags & 0x800 else "cp437")
        return Member(text, self._place(volume, offset), packed, size, crc, method, bool(flags & 1))

    def _data_start(self, member: Member) -> int:
        header = LOCAL.unpack(self._bytes(member.header, LOCAL.size))
        if header[0] != b"PK\x03\x04":
            raise self._damaged(member.name, "no local header where the directory says")
        return member.header + LOCAL.size + header[9] + header[10]


def _zip64_field(extra: bytes) -> bytes:
    """Return the content of the zip64 extra field (tag 1), or nothing."""
    at = 0
    while at + 4 <= len(extra):
        tag, size = struct.unpack_from("<HH", extra, at)
        if tag == 1:
            return extra[at + 4 : at + 4 + size]
        at += 4 + size
    return b""


def _refuse(path: Path, member: Member, entry: tuple, largest: int) -> None:
    """Refuse members that do not belong in an archive of images."""
    name = member.name
    unix = entry[1] >> 8 == 3
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        raise DataError(f"{path}: member {name!r} has an absolute name; refusing this archive")
    if ".." in re.split(r"[/\\]", name) or "\0" in name or not name:
        raise DataError(f"{path}: member {name!r} leaves the folder; refusing this archive")
    if unix and (entry[15] >> 16) & 0o170000 == 0o120000:
        raise DataError(f"{path}: member {name!r} is a link; refusing this archive")
    if max(member.size, member.packed) > largest:
        raise DataError(
            f"{path}: member {name!r} declares {member.size} bytes, more than {largest}; refusing this archive"
        )
