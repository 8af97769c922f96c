"""Units with retinotopic receptive fields: what drives them, how strongly, and with which latency.

A unit's drive at a gaze position is a weighted sum of early feature maps within its receptive field and of a face term
that depends on the scene: how face-like the object near the field is, its identity, view and size. Weights and field
sizes depend on the area. Rate = mean rate x (1 + gain x standardised drive), at least `FLOOR`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from analysis.core.errors import DataError
from analysis.simulate.early_features import CELL_PIXELS, STAGES
from analysis.simulate.scenes import N_CODE, OBJECT_KINDS, Scene
from analysis.simulate.sessions import BANK_CHANNELS, Session

LATENCY_MS = {"V1": 40, "V2": 40, "V4": 50, "PIT": 65, "CIT": 80, "AIT": 100}
"""Published default of each area."""
MIXTURE = {
    # area: weights of the V1, V2, V4 maps and of the face term (squares sum to 1 once normalised)
    "V1": (1.0, 0.0, 0.0, 0.0),
    "V2": (0.45, 0.9, 0.0, 0.0),
    "V4": (0.15, 0.4, 0.9, 0.15),
    "PIT": (0.0, 0.2, 0.75, 0.6),
    "CIT": (0.0, 0.1, 0.55, 0.8),
    "AIT": (0.0, 0.0, 0.35, 0.95),
}
RF_RADIUS_DVA = {"V1": 1.0, "V2": 1.3, "V4": 1.7, "PIT": 2.0, "CIT": 2.3, "AIT": 2.8}
ECCENTRICITY_DVA = {"V1": 2.0, "V2": 2.0, "V4": 1.8, "PIT": 1.5, "CIT": 1.2, "AIT": 1.0}
GAIN = {"V1": 0.38, "V2": 0.36, "V4": 0.32, "PIT": 0.27, "CIT": 0.25, "AIT": 0.24}
FLOOR = 0.3
"""Spikes/s."""
GREY_SHARE = 0.6
"""Rate while the screen is empty, as a share of the mean rate."""
ADAPTATION = np.array([1.1, 1.0, 0.95, 0.92, 0.9])
"""Factor for each fixation of a presentation by ordinal; the last one also for all later fixations."""
LETTERS = ("", *"abcdefg")
PAD = 20
"""Width of the empty screen around a map, in cells."""


@dataclass(frozen=True)
class Unit:
    """One unit. Positions in dva from the point of gaze, y up."""

    name: str
    bank: int
    region: str
    x: float
    y: float
    radius: float
    latency_ms: int
    """True response latency."""
    table_latency_ms: int | None
    """Latency in the published table; None if the unit is missing there."""
    mean_rate: float
    gain: float
    map_weights: np.ndarray
    """Shape (channels,)."""
    face_weights: np.ndarray
    """Weights of `face_terms`, shape (terms,)."""
    mixture: tuple[float, float, float, float]
    second_half: float
    """Factor on the rate in the second half of the recording."""

    @property
    def used_latency_ms(self) -> int:
        """Latency that an analysis uses: that of the table but at least 40 ms, or the default of the area."""
        return LATENCY_MS[self.region] if self.table_latency_ms is None else max(40, self.table_latency_ms)


DRIFTS = {1: 0.2, 4: 0.0, 7: 0.4}
"""Factor in the second half by position of the unit in its recording. With 0.4, Xiao et al. keep the unit (0.4 / 0.7 is
within 0.5 of 1) and the report drops it (0.4 / 1 is not)."""


def draw_units(session: Session, n: int, rng: np.random.Generator) -> list[Unit]:
    """Draw the `n` units of a recording."""
    named = name_units(session, n)
    return [_draw_unit(name, bank, session.regions[bank], i, rng) for i, (name, bank) in enumerate(named)]


def name_units(session: Session, n: int) -> list[tuple[str, int]]:
    """Distribute `n` units over the banks of a recording; return the name and bank of each.

    Raises `DataError` if a bank would have more units than names.
    """
    banks = (np.arange(n) * len(session.regions) // n).tolist()
    return [(_unit_name(bank, index - banks.index(bank)), bank) for index, bank in enumerate(banks)]


def _unit_name(bank: int, rank: int) -> str:
    """Return a name as in the unit table: a channel, and a letter for further units of a channel (here every fifth)."""
    place, lettered = rank // 5 * 4 + min(rank % 5, 3), rank % 5 == 4
    letter = 2 * (place // BANK_CHANNELS) + lettered
    if letter >= len(LETTERS):
        raise DataError(f"simulate.units_per_recording: a bank holds at most {5 * 8 * len(LETTERS) // 2} units")
    return f"{bank * BANK_CHANNELS + place % BANK_CHANNELS + 1}{LETTERS[letter]}"


def _draw_unit(name, bank, region, index, rng) -> Unit:
    turn, far = rng.uniform(0, 2 * np.pi), ECCENTRICITY_DVA[region] * rng.uniform(0.3, 1.0)
    radius = RF_RADIUS_DVA[region] * rng.uniform(0.8, 1.2)
    missing = index % 6 == 2
    jitter = 0 if missing else int(rng.integers(-10, 11))
    latency = LATENCY_MS[region] + jitter
    weights = np.zeros(STAGES["V4"].stop, np.float32)
    for stage in STAGES.values():
        drawn = rng.standard_normal(stage.stop - stage.start)
        weights[stage] = np.where(np.abs(drawn) > 0.6, drawn, 0)
    noise = rng.uniform(0.9, 1.1, 4)
    mixture = np.array(MIXTURE[region]) * noise
    return Unit(
        name=name,
        bank=bank,
        region=region,
        x=round(far * np.cos(turn) * 8) / 8,
        y=round(far * np.sin(turn) * 8) / 8,
        radius=round(radius * 4) / 4,
        latency_ms=latency,
        table_latency_ms=None if missing else latency,
        mean_rate=float(np.clip(np.exp(rng.normal(np.log(13), 0.4)), 5, 30)),
        gain=GAIN[region] * rng.uniform(0.8, 1.2),
        map_weights=weights,
        face_weights=_draw_face_weights(rng),
        mixture=tuple(mixture / np.linalg.norm(mixture)),
        second_half=DRIFTS.get(index, 1.0),
    )


def face_terms(scene: Scene) -> np.ndarray:
    """Return the scene variables that drive face-selective units: face, view, size, identity, kind of object."""
    strength = scene.strength
    size = (scene.half_height / scene.size[1] - 0.375) / 0.043
    face = [strength, strength * scene.yaw / 0.32, strength * (scene.yaw / 0.32) ** 2, strength * size]
    code = [strength * c for c in scene.code]
    kind = [float(scene.kind == name) * (1 - strength) for name in OBJECT_KINDS]
    return np.array(face + code + kind)


def _draw_face_weights(rng: np.random.Generator) -> np.ndarray:
    """Draw the weights of `face_terms`; most units prefer faces, some prefer other objects."""
    sign = 1.0 if rng.random() < 0.8 else -1.0
    face = [sign * rng.uniform(1.6, 2.4), rng.normal(0, 0.12), rng.normal(0, 0.1), rng.normal(0, 0.2)]
    return np.concatenate([face, rng.normal(0, 0.12, N_CODE), rng.normal(0, 0.2, len(OBJECT_KINDS))])


class Drive:
    """Standardised drive of one unit for any image of a recording at any gaze position."""

    def __init__(self, unit: Unit, session: Session, maps: np.ndarray, scenes: list[Scene]):
        """Pool the maps (n_images, n_channels, rows, columns) within the unit's receptive field."""
        self.unit, self.session = unit, session
        self.cells_per_dva = np.array(session.ppd) / CELL_PIXELS
        weighed = zip(STAGES.values(), unit.mixture[:3], strict=True)
        self.pooled = [self._pool(maps, stage) if weight else None for stage, weight in weighed]
        width, height = np.array([s.size for s in scenes]).T
        self.place = np.stack([[s.x for s in scenes] - width / 2, height / 2 - [s.y for s in scenes]], 1) / session.ppd
        self.reach = np.array([s.half_height for s in scenes]) / session.ppd[1]
        self.term = np.stack([face_terms(s) for s in scenes]) @ unit.face_weights
        self.centre, self.sd = np.zeros(4), np.ones(4)

    def _pool(self, maps: np.ndarray, stage: slice) -> np.ndarray:
        """Sum the weighted channels of a stage, add empty screen around the image, and blur to the field size."""
        one = np.einsum("icyx,c->iyx", maps[:, stage], self.unit.map_weights[stage], optimize=True)
        one = np.pad(one, ((0, 0), (PAD, PAD), (PAD, PAD)))
        for axis, cells in ((1, self.cells_per_dva[1]), (2, self.cells_per_dva[0])):
            one = gaussian_filter1d(one, self.unit.radius / 2 * cells, axis=axis, mode="constant", truncate=3.0)
        return one

    def parts(self, image: np.ndarray, gaze: np.ndarray) -> np.ndarray:
        """Return the four parts of the drive (V1, V2, V4, face), (n, 4).

        `image` (n,) are rows of the maps, `gaze` (n, 2) is in dva from the centre of the image.
        """
        field = gaze + np.array([self.unit.x, self.unit.y])
        parts = np.zeros((len(image), 4))
        for i, pooled in enumerate(self.pooled):
            if pooled is not None:
                rows, columns = np.array(pooled.shape[1:])
                column = np.clip(field[:, 0] * self.cells_per_dva[0] + (columns - 1) / 2, 0, columns - 1.001)
                row = np.clip((rows - 1) / 2 - field[:, 1] * self.cells_per_dva[1], 0, rows - 1.001)
                parts[:, i] = _bilinear(pooled, image, row, column)
        distance2 = ((field - self.place[image]) ** 2).sum(axis=1)
        tolerance2 = self.unit.radius**2 + self.reach[image] ** 2
        parts[:, 3] = self.term[image] * np.exp(-0.5 * distance2 / tolerance2)
        return parts

    def standardise(self, reference: "Drive", image: np.ndarray, gaze: np.ndarray) -> None:
        """Set mean and standard deviation of each part from a sample of other images and gaze positions."""
        parts = reference.parts(image, gaze)
        self.centre, self.sd = parts.mean(axis=0), np.maximum(parts.std(axis=0), 1e-9)

    def rate(self, image: np.ndarray, gaze: np.ndarray) -> np.ndarray:
        """Return the rate (spikes/s) before adaptation and drift, shape (n,)."""
        standard = (self.parts(image, gaze) - self.centre) / self.sd
        drive = standard @ self.unit.mixture
        return np.maximum(FLOOR, self.unit.mean_rate * (1 + self.unit.gain * drive))


def _bilinear(stack: np.ndarray, image: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Interpolate a stack of maps at fractional positions, shape (n,)."""
    r, c = row.astype(int), column.astype(int)
    fr, fc = row - r, column - c
    top = stack[image, r, c] * (1 - fc) + stack[image, r, c + 1] * fc
    bottom = stack[image, r + 1, c] * (1 - fc) + stack[image, r + 1, c + 1] * fc
    return top * (1 - fr) + bottom * fr
