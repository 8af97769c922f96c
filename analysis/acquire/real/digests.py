"""Digests by which published files are pinned: SHA-256, SHA-1, or git's name of a blob.

A digest is text and also names its file in the store: hexadecimal for SHA-256, with ``sha1-`` or ``git-`` before it
for the others. The git name of a blob is the SHA-1 of ``blob <size>``, a zero byte, and the content.
"""

import hashlib
from pathlib import Path

KINDS = {"": 64, "sha1": 40, "git": 40}
"""Hexadecimal digits of each kind."""
CHUNK = 1 << 20


def check(digest: str) -> str:
    """Return a digest. Raises `ValueError` if it is of no known kind."""
    kind, _, digits = digest.rpartition("-")
    if len(digits) != KINDS.get(kind) or set(digits) - set("0123456789abcdef"):
        raise ValueError(f"{digest!r} is no digest")
    return digest


def digits(digest: str) -> str:
    """Return the hexadecimal digits of a digest."""
    return digest.rpartition("-")[2]


class Hasher:
    """Computes a digest of the kind of another, for a file of a known size, piece by piece."""

    def __init__(self, like: str, size: int):
        self.kind = like.rpartition("-")[0]
        self._hash = hashlib.sha1(usedforsecurity=False) if self.kind else hashlib.sha256()
        if self.kind == "git":
            self._hash.update(b"blob %d\0" % size)

    def update(self, data: bytes) -> None:
        """Add a piece of the file."""
        self._hash.update(data)

    def digest(self) -> str:
        """Return the digest of all pieces so far."""
        return f"{self.kind}-{self._hash.hexdigest()}" if self.kind else self._hash.hexdigest()


def of_file(path: Path, like: str) -> str:
    """Return the digest of a file, of the kind of another digest."""
    hasher = Hasher(like, path.stat().st_size)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
    return hasher.digest()
