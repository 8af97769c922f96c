"""Units with retinotopic receptive fields: what drives them, how strongly, and with what latency.

A unit's drive at a gaze position is a weighted sum of the sources in its world (`worlds`): feature maps within its
receptive field, a face term that depends on the scene (how face-like the object near the field is, its identity, view
and size), or values unrelated to the image. Weights and field sizes depend on the area. Rate = mean rate x (1 + gain x
standardised drive), at least `FLOOR`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from analysis.core.errors import DataError
from analysis.params import Simulate
from analysis.simulate.responses.early_features import STAGES
from analysis.simulate.responses.worlds import FACE, MAPS, UNRELATED, WORLDS
from analysis.simulate.scenes import N_CODE, OBJECT_KINDS, SIZES, Scene
from analysis.simulate.sessions import BANK_CHANNELS, Session

LATENCY_MS = {"V1": 40, "V2": 40, "V4": 50, "PIT": 65, "CIT": 80, "AIT": 100}
"""Published default latency of each area."""
RF_RADIUS_DVA = {"V1": 1.0, "V2": 1.3, "V4": 1.7, "PIT": 2.0, "CIT": 2.3, "AIT": 2.8}
ECCENTRICITY_DVA = {"V1": 2.0, "V2": 2.0, "V4": 1.8, "PIT": 1.5, "CIT": 1.2, "AIT": 1.0}
GAIN = {"V1": 0.24, "V2": 0.24, "V4": 0.30, "PIT": 0.32, "CIT": 0.27, "AIT": 0.25}
"""SD of a unit's rate across images, divided by its mean. Areas are ordered roughly by repeatability in Xiao et al.
(2024, Fig. 3h); the values bring the median RSC of V1 close to that of An220105 (.075)."""
FLOOR = 0.3
"""Minimum rate, spikes/s."""
GREY_SHARE = 0.6
"""Rate while the screen is empty, as a share of the mean rate."""
ADAPTATION = np.array([1.1, 1.0, 0.95, 0.92, 0.9])
"""Factor for each fixation of a presentation by ordinal; the last one holds for all later fixations."""
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
    map_weights: dict[str, np.ndarray]
    """Weights of the channels of each kind of map, shape (channels,)."""
    face_weights: np.ndarray
    """Weights of `face_terms`, shape (terms,)."""
    mixture: dict[str, float]
    """Weight of each part of the drive; their squares sum to 1."""
    unrelated: int
    """Seed of the values that are unrelated to the image."""
    second_half: float
    """Factor on the rate in the second half of the recording."""

    @property
    def used_latency_ms(self) -> int:
        """Latency that an analysis uses: that of the table but at least 40 ms, or the default of the area."""
        return LATENCY_MS[self.region] if self.table_latency_ms is None else max(40, self.table_latency_ms)


DRIFTS = {1: 0.2, 4: 0.0, 7: 0.4}
"""Factor on the rate in the second half, by index of the unit in its recording. At 0.4, Xiao et al. keep the unit
(0.4 / 0.7 is within 0.5 of 1) and the report drops it (0.4 / 1 is not)."""


def draw_units(session: Session, n: int, params: Simulate, rng: np.random.Generator) -> list[Unit]:
    """Draw the `n` units of a recording; the parameters set their world and selectivity."""
    return [
        _draw_unit(name, bank, session.regions[bank], i, params, rng)
        for i, (name, bank) in enumerate(name_units(session, n))
    ]


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
        most = 5 * 8 * len(LETTERS) // 2
        raise DataError(f"simulate.units_per_recording: a bank holds at most {most} units; give {most} or fewer")
    return f"{bank * BANK_CHANNELS + place % BANK_CHANNELS + 1}{LETTERS[letter]}"


def _draw_unit(name, bank, region, index, params: Simulate, rng) -> Unit:
    world = WORLDS[params.world]
    turn, far = rng.uniform(0, 2 * np.pi), ECCENTRICITY_DVA[region] * rng.uniform(0.3, 1.0)
    radius = RF_RADIUS_DVA[region] * rng.uniform(0.8, 1.2)
    missing = index % 6 == 2
    jitter = 0 if missing else int(rng.integers(-10, 11))
    latency = LATENCY_MS[region] + jitter
    followed = [*STAGES, *(source for source in world if source in MAPS and source not in STAGES)]
    weights = {source: _draw_map_weights(MAPS[source].channels, rng) for source in followed}
    mixture = np.array([world[source][region] for source in world]) * rng.uniform(0.9, 1.1, len(world))
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
        gain=GAIN[region] * rng.uniform(0.8, 1.2) * params.selectivity,
        map_weights=weights,
        face_weights=_draw_face_weights(rng),
        mixture=dict(zip(world, (mixture / np.linalg.norm(mixture)).tolist(), strict=True)),
        second_half=DRIFTS.get(index, 1.0),
        unrelated=int(rng.spawn(1)[0].integers(2**31)),
    )


def _draw_map_weights(channels: int, rng: np.random.Generator) -> np.ndarray:
    """Draw normal weights, about half of them set to 0; a single channel has the weight 1."""
    if channels == 1:
        return np.ones(1, np.float32)
    drawn = rng.standard_normal(channels)
    return np.where(np.abs(drawn) > 0.6, drawn, 0).astype(np.float32)


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

    def __init__(self, unit: Unit, session: Session, maps: dict[str, np.ndarray], scenes: list[Scene]):
        """Pool the maps of each kind, (n_images, n_channels, rows, columns), within the unit's receptive field."""
        self.unit, self.session = unit, session
        self.pooled = {
            source: self._pool(maps[MAPS[source].array][:, MAPS[source].part], unit.map_weights[source])
            for source, weight in unit.mixture.items()
            if source in MAPS and weight
        }
        width, height = np.array([s.size for s in scenes]).T
        self.place = np.stack([[s.x for s in scenes] - width / 2, height / 2 - [s.y for s in scenes]], 1) / session.ppd
        self.reach = np.array([s.half_height for s in scenes]) / session.ppd[1]
        self.term = np.stack([face_terms(s) for s in scenes]) @ unit.face_weights
        self.unrelated = np.array([np.random.default_rng((unit.unrelated, s.seed)).standard_normal() for s in scenes])
        self.centre, self.sd = np.zeros(len(unit.mixture)), np.ones(len(unit.mixture))

    def _pool(self, maps: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sum the weighted channels, add empty screen around the image and blur to the field size.

        Returns the maps and the cells per dva.
        """
        pixels_per_cell = np.divide(SIZES[self.session.pool], (maps.shape[3], maps.shape[2]))
        cells_per_dva = np.array(self.session.ppd) / pixels_per_cell
        one = np.einsum("icyx,c->iyx", maps, weights, optimize=True)
        one = np.pad(one, ((0, 0), (PAD, PAD), (PAD, PAD)))
        for axis, cells in ((1, cells_per_dva[1]), (2, cells_per_dva[0])):
            one = gaussian_filter1d(one, self.unit.radius / 2 * cells, axis=axis, mode="constant", truncate=3.0)
        return one, cells_per_dva

    def parts(self, image: np.ndarray, gaze: np.ndarray) -> np.ndarray:
        """Return the parts of the drive in the order of the unit's mixture, (n, n_parts).

        `image` (n,) are rows of the maps, `gaze` (n, 2) is in dva from the centre of the image.
        """
        field = gaze + np.array([self.unit.x, self.unit.y])
        parts = np.zeros((len(image), len(self.unit.mixture)))
        for i, source in enumerate(self.unit.mixture):
            if source in self.pooled:
                pooled, cells_per_dva = self.pooled[source]
                rows, columns = np.array(pooled.shape[1:])
                column = np.clip(field[:, 0] * cells_per_dva[0] + (columns - 1) / 2, 0, columns - 1.001)
                row = np.clip((rows - 1) / 2 - field[:, 1] * cells_per_dva[1], 0, rows - 1.001)
                parts[:, i] = _bilinear(pooled, image, row, column)
            elif source == FACE:
                distance2 = ((field - self.place[image]) ** 2).sum(axis=1)
                tolerance2 = self.unit.radius**2 + self.reach[image] ** 2
                parts[:, i] = self.term[image] * np.exp(-0.5 * distance2 / tolerance2)
            elif source == UNRELATED:
                parts[:, i] = self.unrelated[image]
        return parts

    def standardise(self, reference: "Drive", image: np.ndarray, gaze: np.ndarray) -> None:
        """Set mean and standard deviation of each part from a sample of other images and gaze positions."""
        parts = reference.parts(image, gaze)
        self.centre, self.sd = parts.mean(axis=0), np.maximum(parts.std(axis=0), 1e-9)

    def rate(self, image: np.ndarray, gaze: np.ndarray) -> np.ndarray:
        """Return the rate (spikes/s) before adaptation and drift, shape (n,)."""
        standard = (self.parts(image, gaze) - self.centre) / self.sd
        drive = standard @ np.array(list(self.unit.mixture.values()))
        return np.maximum(FLOOR, self.unit.mean_rate * (1 + self.unit.gain * drive))


def _bilinear(stack: np.ndarray, image: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Interpolate a stack of maps at fractional positions, shape (n,)."""
    r, c = row.astype(int), column.astype(int)
    fr, fc = row - r, column - c
    top = stack[image, r, c] * (1 - fc) + stack[image, r, c + 1] * fc
    bottom = stack[image, r + 1, c] * (1 - fc) + stack[image, r + 1, c + 1] * fc
    return top * (1 - fr) + bottom * fr
