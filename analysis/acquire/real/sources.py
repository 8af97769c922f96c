"""The published sources, each pinned so that the same bytes are fetched in ten years.

A pin list has one line ``digest  size  path`` per file (two spaces), sorted by path; ``-`` stands for an unknown size.
"""

from dataclasses import dataclass
from pathlib import Path

from analysis.acquire.real import digests

PINS = Path(__file__).parent / "pins"
ROOT = Path(__file__).parents[3]
"""Top folder of the project."""
RECORDED_PINS = PINS.parents[1] / "recorded" / "pins"
"""Pin lists of recorded data sets, one file each."""


@dataclass(frozen=True)
class Pin:
    """One published file."""

    digest: str
    """As in `analysis.acquire.real.digests`."""
    size: int | None
    """Bytes; None if unknown, in which case the server is asked."""
    path: str


@dataclass(frozen=True)
class Dandiset:
    """A published, immutable version of a dandiset."""

    id: str
    version: str
    digest: str
    """SHA-256 of the pin list of all its files."""
    licence: str
    citation: str
    url: str


@dataclass(frozen=True)
class Repository:
    """Files of a GitHub repository at one commit."""

    name: str
    commit: str
    pins: Path
    folder: str
    """Folder under data/raw that receives the files."""
    flat: bool
    """Whether to drop the repository's subfolders, so that all files go directly into that folder."""
    licence: str
    citation: str

    @property
    def url(self) -> str:
        """Page of the repository at that commit."""
        return f"https://github.com/{self.name}/tree/{self.commit}"


@dataclass(frozen=True)
class Node:
    """Volumes of an archive on OSF, which keeps no immutable versions: the lock records what was fetched first."""

    id: str
    volumes: tuple[str, ...]
    lock: Path
    licence: str
    citation: str

    @property
    def url(self) -> str:
        """Page of the node."""
        return f"https://osf.io/{self.id}/"


XIAO = (
    "Xiao, W., Sharma, S., Kreiman, G. & Livingstone, M. S. Feature-selective responses in macaque visual cortex "
    "follow eye movements during natural vision. Nature Neuroscience 27, 1157-1166 (2024). "
    "doi:10.1038/s41593-024-01631-5"
)

DANDISET = Dandiset(
    id="000628",
    version="0.230922.1642",
    digest="f9603d54598083c70a92dd10f51182f59b65b62f710dd5216e746818a36e0353",
    licence="as stated on the page of the version",
    citation=XIAO + "; dandiset DANDI:000628, version 0.230922.1642",
    url="https://dandiarchive.org/dandiset/000628/0.230922.1642",
)

STIMULI = Node(
    id="sde8m",
    volumes=("Stimuli.z01", "Stimuli.zip"),
    lock=ROOT / "osf.lock",  # not among the code, which acquiring data must not change
    licence="as stated on the page of the node; rights in single images may be their makers'",
    citation=XIAO,
)

ANNOTATIONS = Repository(
    name="willwx/free_viewing",
    commit="8b0c4af8e93d2855696dd46644ba107660038ae3",
    pins=PINS / "annotations.txt",
    folder="annotations",
    flat=False,
    licence="none stated in the repository",
    citation=XIAO,
)

REPORT = Repository(
    name="ella-mo/dlfinalproject2025",
    commit="55a26393af01255b881ae62dcd6437cb2eed9091",
    pins=PINS / "report.txt",
    folder="report",
    flat=True,
    licence="none stated in the repository",
    citation="Neural Neural Networks (course report, 2025), github.com/ella-mo/dlfinalproject2025",
)


def parse_pins(text: str) -> list[Pin]:
    """Read a pin list. Raises `ValueError` if a line is not ``digest  size  path``."""
    pins = []
    for line in text.splitlines():
        digest, size, path = line.split("  ", 2)
        pins.append(Pin(digests.check(digest), None if size == "-" else int(size), path))
    return pins


def format_pins(pins: list[Pin]) -> str:
    """Return the pin list of `pins` as text, in the order for which the digest was computed."""
    ordered = sorted(pins, key=lambda pin: pin.path.encode())
    return "".join(f"{pin.digest}  {pin.size}  {pin.path}\n" for pin in ordered)
