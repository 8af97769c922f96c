import io
import json
import tarfile

import pytest

from tests.container import scan


def add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), mode
    archive.addfile(member, io.BytesIO(data))


def image(path, files: dict[str, bytes], mode: int = 0o644, variables: tuple[str, ...] = ()):
    """Write an image of one layer in the form of ``docker save``."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        for name, sticky in (("tmp", 0o1777), ("opt", 0o755)):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, sticky
            archive.addfile(member)
        for name, data in files.items():
            add(archive, name, data, mode)
    with tarfile.open(path, "w") as archive:
        add(archive, "layer.tar", layer.getvalue())
        add(archive, "config.json", json.dumps({"config": {"Env": variables}}).encode())
        add(archive, "manifest.json", json.dumps([{"Config": "config.json", "Layers": ["layer.tar"]}]).encode())
    return path


def test_an_innocent_image_has_no_findings(tmp_path):
    files = {"opt/compendium/README.md": b"https://example.org/a", "opt/env/lib/python/key.pem": KEY}
    assert scan.findings(image(tmp_path / "a.tar", files), ["/srv/builder"]) == []


KEY = b"-----BEGIN " + b"RSA PRIVATE KEY-----"  # in two parts, as the scan reads this file too


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("opt/compendium/a.py", b"x = 1\n" + KEY, "looks like a secret"),
        ("opt/compendium/a.py", b"AKIA" + b"ABCDEFGHIJKLMNOP", "looks like a secret"),
        ("opt/compendium/a.py", b"ghp_" + b"a1" * 18, "looks like a secret"),
        ("opt/compendium/a.py", b"https://me:" + b"word@example.org", "looks like a secret"),
        ("opt/compendium/.dvc/config.local", b"", "a file that holds secrets"),
        ("root/.netrc", b"", "a file that holds secrets"),
        ("opt/env/lib/a.pyc", b"..../srv/builder/a.py", "names /srv/builder"),
    ],
)
def test_what_must_not_be_in_a_layer_is_found(tmp_path, name, data, said):
    (line,) = scan.findings(image(tmp_path / "a.tar", {name: data}), ["/srv/builder"])
    assert line.startswith(f"layer 0: {name}: {said}")


def test_files_that_anyone_may_write_are_found(tmp_path):
    (line,) = scan.findings(image(tmp_path / "a.tar", {"opt/a": b""}, mode=0o666), [])
    assert line == "layer 0: opt/a: anyone may write it (mode 666)"


def test_the_configuration_is_looked_at_too(tmp_path):
    archive = image(tmp_path / "a.tar", {}, variables=("TOKEN=ghp_" + "a1" * 18,))
    (line,) = scan.findings(archive, [])
    assert line.startswith("configuration: looks like a secret")
