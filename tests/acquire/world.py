"""A small published world: recordings, tables, an image archive and the report's files, with pins of their own."""

import contextlib
import dataclasses
import gzip
import hashlib
import random
import shutil
from pathlib import Path

from analysis.acquire.real import sources
from tests.project import ROOT
from tests.servers.dandi import Dandi
from tests.servers.github import GitHub
from tests.servers.loopback import serve
from tests.servers.osf import Osf

RECORDINGS = {  # name in the tables: (monkey, time), areas of its banks
    "An220105": ("An", "20220105T173929", ["V1"]),
    "Pa191024_1": ("Pa", "20191024T115441", ["AIT"]),
    "Pa191024_2": ("Pa", "20191024T124245", ["AIT"]),
    "Pa200205": ("Pa", "20200205T104105", ["CIT", "AIT"]),
    "Bf211114": ("Bf", "20211114T152023", ["CIT"]),
}
UNITS_PER_BANK = 3
PUBLISHED_DIGEST = sources.DANDISET.digest


def some_bytes(name: str, size: int) -> bytes:
    """Bytes that do not compress, the same for the same name."""
    return random.Random(name).randbytes(size)


class World:
    """Files under `folder`, served by three servers; `pins` are their pins."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.archive, self.node, self.raw = folder / "dandi", folder / "osf", folder / "github"
        self._fill()
        rows = [(pin.path, pin.size, pin.digest) for pin in self.pins_of(self.archive)]
        self.dandi, self.osf, self.github = (
            Dandi(folder=self.archive, files=rows),
            Osf(folder=self.node),
            GitHub(folder=self.raw),
        )
        text = sources.format_pins(self.pins_of(self.archive))
        self.digest = hashlib.sha256(text.encode()).hexdigest()

    def _fill(self) -> None:
        """Write what is published."""
        self._recordings()
        self._tables()
        self._write(self.node / "Stimuli.z01", some_bytes("z01", 150_000))
        self._write(self.node / "Stimuli.zip", some_bytes("zip", 60_000))
        self._write(self.node / "TTL.zip", b"not ours")
        self._write(self.repository(sources.REPORT) / "combinedAIT.csv", b"image_path,unit_0\n")
        self._write(self.repository(sources.REPORT) / "preprocessing/face.csv", b"Filename\na.png\n")

    def repository(self, repository: sources.Repository) -> Path:
        return self.raw / repository.name / repository.commit

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def _recordings(self) -> None:
        for monkey, time, _ in RECORDINGS.values():
            for kind, size in (("", 120_000), ("_image", 40_000), ("_behavior", 90_000)):
                path = f"sub-{monkey}/sub-{monkey}_ses-{time}{kind}.nwb"
                self._write(self.archive / path, some_bytes(path, size))

    def _tables(self) -> None:
        units, banks = "Session,Name,Channel,Bank,Array ID\n", "Session,Bank,Array ID,Hemisphere,Region\n"
        for name, (_, _, areas) in RECORDINGS.items():
            for bank, area in enumerate(areas):
                banks += f"{name},{bank},1,L,{area}\n"
                for unit in range(UNITS_PER_BANK):
                    units += f"{name},{32 * bank + unit + 1},{32 * bank + unit + 1},{bank},1\n"
        banks += "Zz990101,0,1,L,V4\n"  # the real table, too, has recordings that were not published
        database = self.repository(sources.ANNOTATIONS) / "db"
        self._write(database / "units.csv.gz", gzip.compress(units.encode(), mtime=0))
        self._write(database / "bank_array_regions.csv", banks.encode())
        self._write(database / "ROIs/Stimuli/face.csv", b"Filename,x,y,w,h,W,H\na.png,1,1,1,1,9,9\n")

    @staticmethod
    def pins_of(folder: Path) -> list[sources.Pin]:
        """Pins of all files below a folder."""
        return [
            sources.Pin(
                hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size, path.relative_to(folder).as_posix()
            )
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]

    @contextlib.contextmanager
    def online(self):
        """Run the servers; yield the settings that lead to them."""
        with serve(self.dandi), serve(self.osf), serve(self.github):
            yield {"NNN_DANDI_API": self.dandi.api, "NNN_OSF_API": self.osf.api, "NNN_GITHUB_RAW": self.github.base}

    def asked(self) -> int:
        """How many requests all servers have seen."""
        return len(self.dandi.log) + len(self.osf.log) + len(self.github.log)

    def pin(self, folder: Path) -> dict:
        """Write the pin lists to `folder`; return the sources as this world has them, by their names in `sources`."""
        lists = {}
        for name in ("ANNOTATIONS", "REPORT"):
            repository = getattr(sources, name)
            lists[name] = folder / repository.pins.name
            self._write(lists[name], sources.format_pins(self.pins_of(self.repository(repository))).encode())
        return {
            "DANDISET": dataclasses.replace(sources.DANDISET, digest=self.digest),
            "STIMULI": dataclasses.replace(sources.STIMULI, lock=folder / sources.STIMULI.lock.name),
            "ANNOTATIONS": dataclasses.replace(sources.ANNOTATIONS, pins=lists["ANNOTATIONS"]),
            "REPORT": dataclasses.replace(sources.REPORT, pins=lists["REPORT"]),
        }

    def pin_project(self, folder: Path) -> None:
        """Replace the pins in a copy of the code by this world's."""
        real = folder / "analysis/acquire/real"
        self.pin(real / "pins")
        text = (real / "sources.py").read_text()
        (real / "sources.py").write_text(text.replace(PUBLISHED_DIGEST, self.digest))

    def project(self, folder: Path, **choice) -> Path:
        """Copy the code to `folder`, with this world's pins and parameters that choose among its recordings."""
        import yaml

        shutil.copytree(ROOT / "analysis", folder / "analysis", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "dvc.yaml", folder)
        self.pin_project(folder)
        values = yaml.safe_load((ROOT / "params.yaml").read_text())
        values["acquire"] |= {"source": "real"} | choice
        (folder / "params.yaml").write_text(yaml.safe_dump(values))
        return folder
