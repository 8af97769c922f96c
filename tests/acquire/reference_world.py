"""The real files at hand behind the loopback servers: the whole listing, one recording, all tables, nine images."""

import contextlib
import csv
from pathlib import Path

from analysis.acquire.real import sources
from analysis.simulate.split_zip_writer import write_split_zip
from tests.servers.dandi import Dandi
from tests.servers.github import GitHub
from tests.servers.loopback import serve
from tests.servers.osf import Osf

RECORDING = "An220105"


@contextlib.contextmanager
def online(reference: Path, folder: Path):
    """Serve the reference files; yield the servers by name and the settings that lead to them.

    Everything but the image archive is byte for byte as published and meets the real pins. The archive itself is not
    at hand: the nine images are packed into one of the same form.
    """
    with (reference / "dandi-000628-0.230922.1642.csv").open() as file:
        rows = [(row["path"], int(row["size"]), row["sha256"]) for row in csv.DictReader(file)]
    raw, node = folder / "github", folder / "osf"
    for repository, places in (
        (sources.ANNOTATIONS, {"db": "annotations/db"}),
        (sources.REPORT, {"combinedAIT.csv": "report/combinedAIT.csv", "preprocessing/face.csv": "report/face.csv"}),
    ):
        for published, local in places.items():
            target = raw / repository.name / repository.commit / published
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(reference / local)
    node.mkdir()
    images = {f"Stimuli/{path.name}": path.read_bytes() for path in sorted((reference / "Stimuli").iterdir())}
    half = sum(map(len, images.values())) // 2 + 10_000
    write_split_zip(node / "Stimuli", images.items(), half)
    dandi, osf, github = Dandi(folder=reference / "000628", files=rows), Osf(folder=node), GitHub(folder=raw)
    with serve(dandi), serve(osf), serve(github):
        addresses = {"NNN_DANDI_API": dandi.api, "NNN_OSF_API": osf.api, "NNN_GITHUB_RAW": github.base}
        yield {"dandi": dandi, "osf": osf, "github": github}, addresses
