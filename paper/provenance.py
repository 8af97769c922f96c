"""Provenance of the paper: the state of code and data, and the stage that wrote each file."""

import hashlib
import os
import re
from pathlib import Path

import yaml

from analysis.core.errors import DataError
from analysis.core.files import sha256
from analysis.core.paths import RAW

CODE = (Path("analysis"), Path("paper"))
"""Folders of code whose state the paper states."""

GENERATED = re.compile(r"__pycache__|.*\.pyc|\..*|figures|report\.pdf|supplement\.pdf|report\.html|claims\.json")
"""Names within them that are not under version control."""

PIPELINE = Path("dvc.yaml")


def describe() -> dict:
    """Return the state of code and data as JSON values.

    The paper cannot name its commit: committing the lock file that records the hash of the paper changes the commit. It
    names the trees of the folders instead, which identify the files that ran, committed or not.
    ``git rev-parse HEAD:analysis`` prints that of a checkout.

    Returns
    -------
    dict
        ``trees`` (git's identifier of each folder of code) and ``manifest`` (SHA-256 of the list of all data files
        with their own SHA-256).

    Raises
    ------
    DataError
        If the list of data files is missing.
    """
    manifest = RAW / "manifest.json"
    if not manifest.is_file():
        raise DataError(f"{manifest} is missing: run the stage acquire (dvc repro acquire)")
    return {"trees": {str(folder): git_tree(folder) for folder in CODE}, "manifest": sha256(manifest)}


def git_tree(folder: Path) -> str:
    """Return git's identifier of the tree of `folder`: SHA-1 over its entries, computed from the files themselves.

    It is the same in a clone, in a container without git, and in an unpacked archive.
    """
    entries = []
    for path in Path(folder).iterdir():
        if GENERATED.fullmatch(path.name):
            continue
        if path.is_dir():
            entries.append((path.name + "/", b"40000", path.name, git_tree(path)))
        else:
            mode = b"100755" if os.access(path, os.X_OK) else b"100644"
            entries.append((path.name, mode, path.name, _object(b"blob", path.read_bytes())))
    # Git sorts folders as if their names ended in a slash.
    body = b"".join(
        mode + b" " + name.encode() + b"\0" + bytes.fromhex(digest) for _, mode, name, digest in sorted(entries)
    )
    return _object(b"tree", body)


def _object(kind: bytes, content: bytes) -> str:
    return hashlib.sha1(kind + b" %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def stages() -> list[tuple[str, re.Pattern]]:
    """Return from ``dvc.yaml`` the name of each stage and a pattern of the files it writes.

    The pattern of a stage with a matrix has a group for each of its keys.
    """
    patterns = []
    for name, stage in yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))["stages"].items():
        for out in [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]:
            path = out if isinstance(out, str) else next(iter(out))
            pattern = re.sub(r"\\\$\\\{item\\?\.(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))
            patterns.append((name, re.compile(f"{pattern}(/.*)?")))
    return patterns


def stage_of(path: str, known: list[tuple[str, re.Pattern]]) -> str:
    """Return the stage that writes a file, such as ``compare@hmo``.

    Raises
    ------
    DataError
        If none does.
    """
    for name, pattern in known:
        if match := pattern.fullmatch(path):
            return "@".join([name, "-".join(match.groupdict().values())] if match.groupdict() else [name])
    raise DataError(f"no stage of {PIPELINE} writes {path}")


def stages_of(folder: Path) -> dict[str, str]:
    """Return the stage that wrote each file in `folder`; files of no stage are left out."""
    known, writers = stages(), {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and any(pattern.fullmatch(str(path)) for _, pattern in known):
            writers[str(path)] = stage_of(str(path), known)
    return writers
