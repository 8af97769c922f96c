"""What must not be in an image: secrets, paths of the machine that built it, files that anyone may write."""

import json
import re
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

SECRET_NAMES = re.compile(
    r"(^|/)(\.netrc|\.pypirc|\.git-credentials|pip\.conf|\.aws/|\.ssh/|\.docker/|id_(rsa|ecdsa|ed25519)$|config\.local$)"
)
SECRETS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    rb"|\bAKIA[0-9A-Z]{16}\b"
    rb"|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{40,}"
    rb"|\bxox[abp]-[0-9A-Za-z-]{20,}"
    rb"|\bhttps?://[^/\s:@{}<>\"'$]+:[^/\s@{}<>\"'$]+@"
)
PACKAGES = ("opt/env/", "usr/", "var/lib/dpkg/")
"""Folders of hash-locked or signed packages: their example keys are published ones."""


def layers(archive: str | Path) -> Iterator[tuple[str, tarfile.TarFile]]:
    """Yield number and content of each layer of an archive of ``docker save``, from the base upwards."""
    with tarfile.open(archive) as image:
        for number, name in enumerate(_manifest(image)["Layers"]):
            with tarfile.open(fileobj=image.extractfile(name)) as layer:
                yield f"layer {number}", layer


def configuration(archive: str | Path) -> dict:
    """Return the configuration of an image: variables, labels, user and the commands that made it."""
    with tarfile.open(archive) as image:
        return json.load(image.extractfile(_manifest(image)["Config"]))


def findings(archive: str | Path, host_paths: list[str]) -> list[str]:
    """Return a line for everything in an image that must not be there.

    Parameters
    ----------
    archive : path
        As written by ``docker save``.
    host_paths : list of str
        Absolute paths of the building machine, looked for in every file.
    """
    wanted = [path.encode() for path in host_paths]
    lines = []
    for where, layer in layers(archive):
        for member in layer:
            lines += [f"{where}: {member.name}: {what}" for what in _member(layer, member, wanted)]
    text = json.dumps(configuration(archive)).encode()
    return lines + [f"configuration: {what}" for what in _content(text, wanted)]


def _manifest(image: tarfile.TarFile) -> dict:
    return json.load(image.extractfile("manifest.json"))[0]


def _member(layer: tarfile.TarFile, member: tarfile.TarInfo, wanted: list[bytes]) -> Iterator[str]:
    name = member.name.removeprefix("./")
    sticky = member.isdir() and member.mode & stat.S_ISVTX
    if (member.isfile() or member.isdir()) and member.mode & stat.S_IWOTH and not sticky:
        yield f"anyone may write it (mode {member.mode:o})"
    if not member.isfile():
        return
    locked = name.startswith(PACKAGES)
    if not locked and SECRET_NAMES.search(name):
        yield "a file that holds secrets"
    yield from _content(layer.extractfile(member).read(), wanted, secrets=not locked)


def _content(data: bytes, wanted: list[bytes], secrets: bool = True) -> Iterator[str]:
    for path in wanted:
        if path in data:
            yield f"names {path.decode()} of the building machine"
    if secrets and (found := SECRETS.search(data)):
        yield f"looks like a secret: {found[0][:12].decode(errors='replace')}..."
