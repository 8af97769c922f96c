"""Plan the recordings: monkey, date, rig, areas by electrode bank, and the images shown."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import numpy as np

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.params import Simulate
from analysis.simulate.nwb_writer import Header
from analysis.simulate.scenes import SIZES, Scene

EASTERN = timezone(timedelta(hours=-5))
BANK_CHANNELS = 32
RIGS = {
    # rig: (resolution, eye tracker, MonkeyLogic build, rig number, latency of the tracker in ms)
    "a": ("1600 x 1200 60 Hz", "None", "May 9, 2019 build 187", 1, 24),
    "b": ("1920 x 1080 165 Hz", "None", "Jul 31, 2019 build 193", 2, 46),
    "c": ("1920 x 1080 165 Hz", "SR Research EyeLink", "Mar 16, 2020 build 209", 2, 5),
    "d": ("1280 x 1024 75 Hz", "None", "Mar 16, 2020 build 209", 3, 37),
}
FACE_SHARE, PAREIDOLIA_SHARE = 0.4, 0.2
MOSTLY_OBJECTS_SHARE = 0.15


@dataclass(frozen=True)
class Session:
    """The plan of one recording."""

    name: str
    start: datetime
    regions: tuple[str, ...]
    """Area of bank 0, bank 1, ..."""
    rig: str
    pool: str
    images: str
    """mixed, faces (nothing else), objects (few faces), or unlabelled."""
    ppd: tuple[float, float]
    locations: int = 1

    @property
    def subject(self) -> str:
        """Monkey."""
        return self.name[:2]

    @property
    def tracker_latency_ms(self) -> int:
        """Latency of the recorded gaze."""
        return RIGS[self.rig][4]

    @property
    def header(self) -> Header:
        """Metadata in the files of the recording."""
        return Header(self.name, self.subject, self.start, SIZES[self.pool], self.ppd, self.locations)

    @property
    def size_dva(self) -> np.ndarray:
        """Width and height of the images in degrees of visual angle."""
        return np.divide(SIZES[self.pool], self.ppd)


def _at(year, month, day, hour, minute, second) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=EASTERN)


SQUARE, WIDE = (20.0, 20.0), (24.0, 20.7)
PLAN = (
    Session("Mo210503", _at(2021, 5, 3, 11, 2, 51), ("V1", "V2"), "d", "square", "mixed", SQUARE),
    Session("Zu200311", _at(2020, 3, 11, 10, 31, 7), ("V4", "PIT"), "a", "wide", "mixed", WIDE),
    Session("Mo210504_1", _at(2021, 5, 4, 10, 12, 40), ("CIT", "AIT"), "c", "square", "mixed", SQUARE),
    Session("Mo210504_2", _at(2021, 5, 4, 14, 45, 3), ("AIT", "CIT"), "c", "square", "faces", SQUARE),
    Session("Mo210505", _at(2021, 5, 5, 11, 20, 19), ("AIT",), "d", "square", "objects", SQUARE, locations=4),
    Session("Zu200314_1", _at(2020, 3, 14, 16, 7, 30), ("V1",), "b", "wide", "unlabelled", WIDE),
    Session("Zu200315", _at(2020, 3, 15, 9, 50, 0), ("V2", "V4"), "a", "square", "mixed", SQUARE),
    Session("Zu200316", _at(2020, 3, 16, 13, 37, 12), ("PIT", "CIT"), "b", "wide", "mixed", (24.0, 24.0)),
)
"""The first six have every irregularity of the published data; the others add units. Monkeys and dates are invented."""
EXTRA_REGIONS = (("V1", "AIT"), ("V2", "AIT"), ("V4", "AIT"), ("PIT", "AIT"), ("CIT", "AIT"))
"""Areas of the recordings beyond `PLAN`: each other area paired with AIT, on the same images."""
EXTRA_START, EXTRA_EVERY = _at(2021, 4, 12, 9, 30, 0), timedelta(days=9)
"""Three precede the recordings of AIT in `PLAN`, so that choosing evenly by name, as the audit does, includes these."""


def plan_sessions(n: int) -> list[Session]:
    """Return `n` recordings: those of `PLAN`, then further mixed ones with units of AIT."""
    sessions = list(PLAN[:n])
    for i in range(n - len(PLAN)):
        day = EXTRA_START + i * EXTRA_EVERY
        name = f"Mo{day:%y%m%d}"
        sessions.append(Session(name, day, EXTRA_REGIONS[i % len(EXTRA_REGIONS)], "d", "square", "mixed", SQUARE))
    return sessions


def choose_images(session: Session, scenes: list[Scene], params: Simulate, seed: int) -> list[int]:
    """Choose the images of a recording; return the indices of their scenes in the order of the file."""
    rng = np.random.default_rng(seed_of(seed, "images", session.name))
    here = [s for s in scenes if s.pool == session.pool and s.annotated == (session.images != "unlabelled")]
    faces = [s.index for s in here if s.kind == "head"]
    objects = [s.index for s in here if s.category == "object"]
    illusions = [s.index for s in here if s.category == "pareidolia"]
    most = params.images_per_recording
    if session.images == "unlabelled":
        chosen = [s.index for s in here]
    elif session.images == "faces":
        chosen = _pick(rng, faces, most)
    else:
        share = FACE_SHARE if session.images == "mixed" else MOSTLY_OBJECTS_SHARE
        n_faces, n_illusions = round(share * most), round(PAREIDOLIA_SHARE * most)
        chosen = _pick(rng, faces, n_faces) + _pick(rng, illusions, n_illusions)
        chosen += _pick(rng, objects, most - n_faces - n_illusions)
    if len(chosen) < 4:
        raise DataError(
            f"simulate: recording {session.name} would show {len(chosen)} images, fewer than 4: "
            "raise simulate.faces, objects, unlabelled or images_per_recording"
        )
    return [chosen[i] for i in rng.permutation(len(chosen))]


def _pick(rng: np.random.Generator, indices: list[int], n: int) -> list[int]:
    return [indices[i] for i in rng.permutation(len(indices))[:n]]
