"""A canvas for anti-aliased shapes in a rotated and scaled frame."""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Frame:
    """Local coordinates (u right, v down): origin in pixels, pixels per unit, rotation in radians."""

    x: float
    y: float
    scale: float
    roll: float = 0.0

    def at(self, u: float, v: float) -> tuple[float, float]:
        """Convert a local position to pixels."""
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        return self.x + self.scale * (u * cos - v * sin), self.y + self.scale * (u * sin + v * cos)


@dataclass
class Canvas:
    """RGB picture, float32 in [0, 1], shape (height, width, 3)."""

    pixels: np.ndarray
    drawn: np.ndarray = field(init=False)
    """Coverage of the most recent shape, shape (height, width)."""

    def __post_init__(self):
        self.drawn = np.zeros(self.pixels.shape[:2], np.float32)

    def cover(self, frame: Frame, u, v, ru, rv, *, angle=0.0, power=2.0):
        """Return slices and coverage of a superellipse: power 2 is an ellipse, 6 nearly a rectangle."""
        height, width = self.pixels.shape[:2]
        x, y = frame.at(u, v)
        a, b = ru * frame.scale, rv * frame.scale
        reach = (a + b if power > 2 else max(a, b)) + 2
        rows = slice(max(0, int(y - reach)), min(height, int(y + reach) + 2))
        columns = slice(max(0, int(x - reach)), min(width, int(x + reach) + 2))
        dy = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + 0.5 - y
        dx = np.arange(columns.start, columns.stop, dtype=np.float32)[None] + 0.5 - x
        turn = frame.roll + angle
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        p = np.abs((dx * cos + dy * sin) / a)
        q = np.abs((dy * cos - dx * sin) / b)
        distance = np.sqrt(p * p + q * q) if power == 2 else (p**power + q**power) ** (1 / power)
        return rows, columns, np.clip((1 - distance) * min(a, b) + 0.5, 0, 1)

    def paint(self, frame: Frame, u, v, ru, rv, colour, *, angle=0.0, power=2.0, opacity=1.0):
        """Paint a superellipse with half-axes `ru`, `rv` at (u, v) and remember its coverage in `drawn`."""
        rows, columns, cover = self.cover(frame, u, v, ru, rv, angle=angle, power=power)
        self.drawn[:] = 0
        if cover.size:
            self.drawn[rows, columns] = cover
            part = self.pixels[rows, columns]
            part += (opacity * cover)[..., None] * (np.asarray(colour, np.float32) - part)

    def shade(self, cover: np.ndarray, frame: Frame, half_width: float, light: float, depth: float = 0.45):
        """Shade a body like a ball: darker by up to `depth` on the side away from the light."""
        height, width = cover.shape
        y = (np.arange(height, dtype=np.float32)[:, None] + 0.5 - frame.y) / frame.scale
        x = (np.arange(width, dtype=np.float32)[None] + 0.5 - frame.x) / (frame.scale * half_width)
        side = np.clip(0.5 + 0.5 * (x * np.float32(np.cos(light)) + y * np.float32(np.sin(light))), 0, 1)
        self.pixels *= (1 - cover * depth * (1 - side))[..., None]


def smooth_noise(rng: np.random.Generator, height: int, width: int, octaves=(60, 24)) -> np.ndarray:
    """Return noise with an amplitude spectrum of about 1/f, mean 0 and SD 1, shape (height, width), float32."""
    total = np.zeros((height, width), np.float32)
    for cell in octaves:
        coarse = rng.standard_normal((height // cell + 3, width // cell + 3)).astype(np.float32)
        total += np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)) * cell**0.6
    return (total - total.mean()) / total.std()
