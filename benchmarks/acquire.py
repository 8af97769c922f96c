"""Time fetching 2,000 files of 1 MB over loopback against ``dandi download`` of the same files: first run, and no-op.

    python -m benchmarks.acquire [--files N] [--folder DIR]

Both clients fetch the same files from the same server process with the same number of connections, in turn and in one
run of this script. The no-op of ``acquire`` is what the stage does when the store holds everything: it reads the
listing from the store, looks up every file, and links all of them into a folder again. Needs about three times the
disk space of the files.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import sizes

ROOT = Path(__file__).resolve().parents[1]
JOBS = 6

SERVER = """
import sys, json
from pathlib import Path
from tests.servers.dandi import Dandi
from tests.servers.loopback import serve
folder = Path(sys.argv[1])
rows = json.loads((folder / "listing.json").read_text())
etags = {row[0]: row.pop() for row in rows}
with serve(Dandi(folder=folder / "blobs", files=[tuple(row) for row in rows], etags=etags)) as server:
    print(server.base, flush=True)
    sys.stdin.read()
"""

ACQUIRE = """
import dataclasses, sys
from pathlib import Path
from analysis.acquire.real import blobs, dandi, sources
from analysis.acquire.real.download import fetch
dandiset = dataclasses.replace(sources.DANDISET, digest=sys.argv[1])
pins = dandi.listing(dandiset)
n = fetch(dandi.items(dandiset, pins))
for pin in pins:
    blobs.link(pin.digest, Path(sys.argv[2]) / pin.path)
print(n)
"""


def publish(folder: Path, files: int, size: int) -> str:
    """Write the files and their listing; return the digest of the listing."""
    from analysis.acquire.real.sources import Pin, format_pins

    rows = []
    for number in range(files):
        data = random.Random(number).randbytes(size)
        path = f"sub-An/sub-An_ses-{20220101 + number}T000000.nwb"
        target = folder / "blobs" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        # The archive's etag of a single-part file: the MD5 of its MD5.
        etag = hashlib.md5(hashlib.md5(data).digest()).hexdigest() + "-1"
        rows.append((path, size, hashlib.sha256(data).hexdigest(), etag))
    (folder / "listing.json").write_text(json.dumps(rows))
    return hashlib.sha256(format_pins([Pin(d, n, p) for p, n, d, _ in rows]).encode()).hexdigest()


def timed(command: list[str], environment: dict[str, str]) -> float:
    """Run a command; return the seconds that it took, including the start of the interpreter."""
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    return seconds


def whole(folder: Path, served: Path) -> bool:
    """Return whether a folder holds the served files byte for byte."""
    files = [path for path in folder.rglob("*.nwb")]
    published = {path.name: path for path in served.rglob("*.nwb")}
    return len(files) == len(published) and all(
        path.read_bytes() == published[path.name].read_bytes() for path in files
    )


def compare(folder: Path, files: int, size: int) -> dict[str, float]:
    """Return the seconds of both clients, first time and no-op."""
    digest = publish(folder, files, size)
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        base = server.stdout.readline().strip()
        environment = os.environ | {
            "NNN_STORE": str(folder / "store"),
            "NNN_DANDI_API": f"{base}/api",
            "NNN_CONNECTIONS": str(JOBS),
            "DANDI_NO_ET": "1",
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        ours = [sys.executable, "-c", ACQUIRE, digest, str(folder / "ours")]
        theirs = [
            str(Path(sys.executable).with_name("dandi")),
            "download",
            "--jobs",
            str(JOBS),
            "--existing",
            "refresh",
        ]
        theirs += ["--output-dir", str(folder / "theirs"), f"{base}/api/dandisets/000628/versions/0.230922.1642/"]
        (folder / "theirs").mkdir()
        result = {
            "acquire, first": timed(ours, environment),
            "dandi download, first": timed(theirs, environment),
            "acquire, all there": timed(ours, environment),
            "dandi download, all there": timed(theirs, environment),
        }
        for name in ("ours", "theirs"):
            if not whole(folder / name, folder / "blobs"):
                sys.exit(f"{name}: files differ from those served")
        return result
    finally:
        server.stdin.close()
        server.wait()


def main() -> None:
    """Measure, print, and write acquire.json beside this script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=sizes.size(2000, 8))
    parser.add_argument("--size", type=int, default=sizes.size(1_000_000, 10_000), help="bytes of a file")
    parser.add_argument("--folder", type=Path, help="where to work (default: the temporary folder)")
    values = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=values.folder))
    try:
        seconds = compare(folder, values.files, values.size)
    finally:
        shutil.rmtree(folder)
    for name, value in seconds.items():
        print(f"{name:28} {value:8.2f} s")
    result = {"files": values.files, "bytes_each": values.size, "connections": JOBS, "cores": os.cpu_count()}
    result["seconds"] = {name: round(value, 2) for name, value in seconds.items()}
    sizes.keep("acquire", result)


if __name__ == "__main__":
    main()
