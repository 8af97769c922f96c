"""Digests that pin published files: SHA-256, SHA-1, or git's blob hash.

A digest is a string that also names its file in the store: hexadecimal for SHA-256, prefixed by ``sha1-`` or ``git-``
for the others. The git hash of a blob is the SHA-1 of ``blob <size>``, a zero byte, and the content.
"""

import hashlib
from pathlib import Path

KINDS = {"": 64, "sha1": 40, "git": 40}
"""Number of hexadecimal digits of each kind."""
CHUNK = 1 << 20


def check(digest: str) -> str:
    """Return the digest unchanged. Raises `ValueError` if it is malformed or of an unknown kind."""
    kind, _, digits = digest.rpartition("-")
    if len(digits) != KINDS.get(kind) or set(digits) - set("0123456789abcdef"):
        raise ValueError(f"{digest!r} is no digest")
    return digest


def digits(digest: str) -> str:
    """Return the hexadecimal digits of a digest."""
    return digest.rpartition("-")[2]


class Hasher:
    """Computes a digest piece by piece, of the same kind as `like`, for a file of known size."""

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
    """Return the digest of a file, of the same kind as the digest `like`."""
    hasher = Hasher(like, path.stat().st_size)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
    return hasher.digest()
