"""The list of everything in data/raw: path, size and SHA-256 of each file."""

from pathlib import Path

from analysis.core.files import sha256, write_json

NAME = "manifest.json"


def write_manifest(folder: Path, source: str, **about) -> None:
    """Write ``manifest.json`` to `folder`: the source, further facts `about` it, and every file below the folder.

    The same files give the same manifest: it records neither time nor host, and its paths are relative to the folder.
    """
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / NAME)
    files = {p.relative_to(folder).as_posix(): {"size": p.stat().st_size, "sha256": sha256(p)} for p in paths}
    write_json(folder / NAME, {"source": source, "files": files, **about})
