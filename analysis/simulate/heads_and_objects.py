"""Draw heads and objects in a frame with the origin at their centre and half their height as unit.

Every function takes the canvas, the frame, the scene, the base colour and a random generator, and returns the region
that an annotator would mark, (height, width) bool.
"""

import numpy as np

from analysis.simulate.canvas import Canvas, Frame, smooth_noise
from analysis.simulate.scenes import Scene

GRAIN = 0.25, 0.45
"""Range of grain contrast."""
WHITE, DARK = (0.96, 0.95, 0.93), (0.06, 0.05, 0.05)


class Head:
    """Positions on a rotated head, an ellipsoid of half-width `a` and half-height 1, seen from the front."""

    def __init__(self, scene: Scene, half_width: float):
        self.a, self.yaw, self.pitch = half_width, scene.yaw, scene.pitch

    def place(self, u: float, v: float) -> tuple[float, float, float]:
        """Return a frontal position after the rotation, and its foreshortening (0: hidden)."""
        angle = np.arcsin(np.clip(u / self.a, -1, 1)) + self.yaw
        return self.a * np.sin(angle), v + 0.3 * self.pitch * (1 - v * v), max(0.0, np.cos(angle))

    def part(self, canvas: Canvas, frame: Frame, u, v, ru, rv, colour, **how):
        """Paint an ellipse on the head, foreshortened by the rotation."""
        u, v, narrow = self.place(u, v)
        if narrow > 0.12:
            canvas.paint(frame, u, v, ru * narrow, rv, colour, **how)


def human(canvas: Canvas, frame: Frame, scene: Scene, base, rng) -> np.ndarray:
    """Draw a human head; the identity determines proportions, hair and brows."""
    c = np.clip(scene.code, -1.8, 1.8)
    head = Head(scene, 0.74 + 0.05 * c[0])
    hair = np.asarray(base) * (0.2 + 0.12 * (c[1] + 1.8)) * np.array([1.0, 0.85, 0.7])
    canvas.paint(frame, -0.12 * np.sin(scene.yaw), -0.12, head.a * 1.08, 0.92, hair)
    canvas.paint(frame, 0.06 * np.sin(scene.yaw), 0.1 + 0.04 * c[1], head.a * 0.9, 0.88, base)
    body = canvas.drawn.copy()
    canvas.shade(body, frame, head.a, scene.light)
    _eyes(canvas, frame, head, 0.31 + 0.035 * c[2], -0.06, 0.19, 0.13, WHITE, DARK, 0.1)
    brow = np.asarray(hair) * 0.6
    for side in (-1, 1):
        head.part(canvas, frame, side * (0.31 + 0.035 * c[2]), -0.25 + 0.03 * c[3], 0.2, 0.04, brow, angle=side * 0.1)
    shadow = np.asarray(base) * 0.55
    head.part(canvas, frame, 0.04 * np.sign(np.cos(scene.light)), 0.18, 0.045, 0.2 + 0.03 * c[3], shadow)
    for side in (-1, 1):
        head.part(canvas, frame, side * 0.09, 0.36 + 0.03 * c[3], 0.045, 0.03, shadow * 0.6)
    lips = np.asarray(base) * np.array([0.75, 0.4, 0.4])
    head.part(canvas, frame, 0, 0.6, 0.26 + 0.05 * c[0], 0.07, lips)
    head.part(canvas, frame, 0, 0.6, 0.22 + 0.05 * c[0], 0.018, DARK)
    return body > 0.5


def primate(canvas: Canvas, frame: Frame, scene: Scene, base, rng) -> np.ndarray:
    """Draw a monkey's head: fur, a bare face patch, close-set amber eyes, a muzzle."""
    c = np.clip(scene.code, -1.8, 1.8)
    head = Head(scene, 0.86 + 0.04 * c[0])
    height, width = canvas.pixels.shape[:2]
    fur = np.asarray(base) * (0.5 + 0.08 * c[1])
    for side in (-1, 1):
        canvas.paint(frame, side * head.a * 0.95, -0.05, 0.16, 0.22, fur * 0.8)
    canvas.paint(frame, 0, 0, head.a, 0.98, fur)
    body = canvas.drawn.copy()
    hairs = smooth_noise(rng, height, width, (5, 3)) * 0.12
    canvas.pixels *= (1 + body * hairs)[..., None]
    canvas.shade(body, frame, head.a, scene.light)
    patch = np.clip(np.asarray(base) * 1.15, 0, 1)
    for side in (-1, 1):
        head.part(canvas, frame, side * 0.24, -0.12, 0.28, 0.3, patch)
    head.part(canvas, frame, 0, 0.35, 0.42 + 0.03 * c[2], 0.46, patch)
    _eyes(canvas, frame, head, 0.24 + 0.02 * c[2], -0.1, 0.16, 0.12, (0.85, 0.7, 0.4), DARK, 0.09)
    head.part(canvas, frame, 0, -0.27, 0.42, 0.045, fur * 0.45)
    for side in (-1, 1):
        head.part(canvas, frame, side * 0.07, 0.28 + 0.03 * c[3], 0.05, 0.035, DARK, angle=side * 0.5)
    head.part(canvas, frame, 0, 0.56, 0.27, 0.03, DARK)
    return body > 0.5


def _eyes(canvas, frame, head, apart, v, ru, rv, white, dark, iris) -> None:
    for side in (-1, 1):
        head.part(canvas, frame, side * apart, v, ru + 0.02, rv + 0.025, (0.25, 0.18, 0.15))
        head.part(canvas, frame, side * apart, v, ru, rv, white)
        head.part(canvas, frame, side * apart + 0.04 * np.sin(2 * head.yaw), v, iris, iris, dark)
        head.part(canvas, frame, side * apart - 0.02, v - 0.03, 0.022, 0.022, (1, 1, 1))


def occluded(canvas: Canvas, frame: Frame, scene: Scene, base, rng) -> np.ndarray:
    """Draw a human head partly covered by a board."""
    region = human(canvas, frame, scene, base, rng)
    side = rng.choice([-1, 1])
    colour = rng.uniform(0.1, 0.9, 3)
    canvas.paint(frame, side * 0.5, 0.3, 0.4, 1.2, colour, power=6.0, angle=rng.uniform(-0.5, 0.5))
    return region & (canvas.drawn < 0.5)


def cartoon(canvas: Canvas, frame: Frame, scene: Scene, base, rng) -> np.ndarray:
    """Draw a cartoon face: outline, dots, a curved mouth."""
    canvas.paint(frame, 0, 0, 0.9, 0.95, DARK)
    body = canvas.drawn.copy()
    canvas.paint(frame, 0, 0, 0.84, 0.89, np.clip(np.asarray(base) * 1.2, 0, 1))
    for side in (-1, 1):
        canvas.paint(frame, side * 0.32, -0.2, 0.11, 0.16, DARK)
    for u in np.linspace(-0.45, 0.45, 7):
        canvas.paint(frame, u, 0.52 - 0.55 * u * u, 0.08, 0.05, DARK)
    return body > 0.5


def _grain(canvas: Canvas, body: np.ndarray, rng: np.random.Generator) -> None:
    """Add a fine grain in one direction to the surface of an object, like wood or cloth."""
    height, width = body.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    turn = rng.uniform(0, np.pi)
    phase = (x * np.cos(turn) + y * np.sin(turn)) * 2 * np.pi / rng.uniform(10, 18)
    waves = np.sin(phase + 1.5 * smooth_noise(rng, height, width, (24,))).astype(np.float32)
    canvas.pixels *= (1 + rng.uniform(*GRAIN) * body * waves)[..., None]


def clock(canvas: Canvas, frame: Frame, scene: Scene, base, rng) -> np.ndarray:
    """Draw a disc with a rim, marks and two hands."""
    canvas.paint(frame, 0, 0, 0.82, 0.86, np.asarray(base) * 0.45)
    body = canvas.drawn.copy()
    canvas.paint(frame, 0, 0, 0.7, 0.74, base)
    for turn in np.arange(12) * np.pi / 6:
        canvas.paint(frame, 0.6 * np.sin(turn), -0.62 * np.cos(turn), 0.03, 0.07, DARK, angle=turn, power=6.0)
    for length in (0.26, 0.36):
        turn = rng.uniform(0, 2 * np.pi)
        canvas.paint(frame, length * np.sin(turn), -length * np.cos(turn), 0.04, length, DARK, angle=turn, power=6.0)
    canvas.shade(body, frame, 0.82, scene.light)
    _grain(canvas, body, rng)
    return body > 0.5


def box(canvas: Canvas, frame: Frame, scene: Scene, base, rng) -> np.ndarray:
    """Draw a chest: front, lid, bands and a lock."""
    canvas.paint(frame, 0, 0.1, 0.8, 0.8, base, power=8.0)
    body = canvas.drawn.copy()
    canvas.paint(frame, 0, -0.55, 0.84, 0.32, np.asarray(base) * 0.5, power=6.0)
    for u in rng.uniform(-0.6, 0.6, 3):
        canvas.paint(frame, u, 0.15, 0.05, 0.75, np.asarray(base) * 0.35, power=8.0)
    canvas.paint(frame, rng.uniform(-0.3, 0.3), -0.1, 0.13, 0.1, rng.uniform(0.6, 1, 3), power=6.0)
    canvas.shade(body, frame, 0.8, scene.light)
    _grain(canvas, body, rng)
    return body > 0.5


def cup(canvas: Canvas, frame: Frame, scene: Scene, base, rng) -> np.ndarray:
    """Draw a mug: body, handle, opening and stripes."""
    side = np.sign(np.sin(scene.yaw)) or 1.0
    canvas.paint(frame, side * 0.72, 0.05, 0.36, 0.42, np.asarray(base) * 0.7)
    canvas.paint(frame, side * 0.72, 0.05, 0.22, 0.27, rng.uniform(0.2, 0.8, 3))
    canvas.paint(frame, 0, 0.05, 0.66, 0.85, base, power=5.0)
    body = canvas.drawn.copy()
    for v in rng.uniform(-0.3, 0.75, 3):
        canvas.paint(frame, 0, v, 0.64, 0.05, rng.uniform(0.05, 0.95, 3), power=6.0)
    canvas.paint(frame, 0, -0.76, 0.62, 0.15, np.asarray(base) * 0.3)
    canvas.shade(body, frame, 0.66, scene.light)
    _grain(canvas, body, rng)
    return body > 0.5


def plant(canvas: Canvas, frame: Frame, scene: Scene, base, rng) -> np.ndarray:
    """Draw a tuft of alternately lighter and darker leaves."""
    body = np.zeros(canvas.drawn.shape, np.float32)
    turns = rng.uniform(0, 2 * np.pi, 13)
    for i, turn in enumerate(turns):
        leaf = np.clip(np.asarray(base) * (0.45 + 0.75 * (i % 3) / 2), 0, 1)
        canvas.paint(frame, 0.45 * np.sin(turn), -0.48 * np.cos(turn), 0.15, 0.46, leaf, angle=turn)
        body = np.maximum(body, canvas.drawn)
        canvas.paint(frame, 0.45 * np.sin(turn), -0.48 * np.cos(turn), 0.02, 0.4, leaf * 0.5, angle=turn)
    canvas.shade(body, frame, 0.9, scene.light)
    _grain(canvas, body, rng)
    return body > 0.5


def wheel(canvas: Canvas, frame: Frame, scene: Scene, base, rng) -> np.ndarray:
    """Draw a wheel: tyre, gaps, spokes and hub."""
    canvas.paint(frame, 0, 0, 0.88, 0.92, np.asarray(base) * 0.3)
    body = canvas.drawn.copy()
    canvas.paint(frame, 0, 0, 0.68, 0.72, np.clip(np.asarray(base) * 1.1, 0, 1))
    spokes = int(rng.integers(4, 8))
    start = rng.uniform(0, np.pi)
    for turn in start + np.arange(spokes) * np.pi / spokes:
        canvas.paint(frame, 0, 0, 0.05, 0.7, np.asarray(base) * 0.4, angle=turn, power=6.0)
    canvas.paint(frame, 0, 0, 0.17, 0.18, rng.uniform(0.3, 0.9, 3))
    canvas.shade(body, frame, 0.88, scene.light)
    _grain(canvas, body, rng)
    return body > 0.5


def fruit(canvas: Canvas, frame: Frame, scene: Scene, base, rng) -> np.ndarray:
    """Draw a fruit: lobes, a stem, dark and light specks."""
    for u in (-0.3, 0.3, 0.0):
        canvas.paint(frame, u, 0.08, 0.5, 0.84, np.asarray(base) * (0.75 if u else 1.0))
    canvas.paint(frame, 0, 0.08, 0.76, 0.8, base, opacity=0.6)
    body = canvas.drawn.copy()
    for _ in range(14):
        u, v = rng.uniform(-0.5, 0.5), rng.uniform(-0.45, 0.65)
        colour = np.asarray(base) * rng.choice([0.25, 0.5, 1.3])
        canvas.paint(frame, u, v, *rng.uniform(0.03, 0.1, 2), np.clip(colour, 0, 1), angle=rng.uniform(0, np.pi))
    canvas.paint(frame, 0.05, -0.8, 0.06, 0.2, (0.25, 0.2, 0.1), power=6.0, angle=rng.uniform(-0.4, 0.4))
    canvas.shade(body, frame, 0.76, scene.light)
    _grain(canvas, body, rng)
    return body > 0.5


def pareidolia(canvas: Canvas, frame: Frame, scene: Scene, base, rng) -> np.ndarray:
    """Add two holes and a slit to an object, roughly where a face has eyes and mouth."""
    region = np.zeros(canvas.drawn.shape, np.float32)
    power = 2.0 if rng.random() < 0.5 else 6.0
    hole = rng.uniform(0.1, 0.17)
    for side in (-1, 1):
        canvas.paint(frame, side * rng.uniform(0.24, 0.36), -0.15, hole, hole, DARK, power=power)
        region = np.maximum(region, canvas.drawn)
    canvas.paint(frame, 0, rng.uniform(0.35, 0.55), rng.uniform(0.15, 0.35), 0.08, DARK, power=6.0)
    rows, columns, cover = canvas.cover(frame, 0, 0.12, 0.55, 0.6)
    region[rows, columns] = np.maximum(region[rows, columns], cover)
    return region > 0.5


DRAW = {
    "face": human,
    "primate_face": primate,
    "primate_face_clutter": primate,
    "occluded_face": occluded,
    "face+occluded_face": occluded,
    "other_face": cartoon,
    "clock": clock,
    "box": box,
    "cup": cup,
    "plant": plant,
    "wheel": wheel,
    "fruit": fruit,
    "pareidolia": pareidolia,
}
"""Drawing function of each category of head and kind of object; that of ``pareidolia`` adds a face to an object."""
