"""Render a scene: background and clutter, then a head or an object, then light.

Faces and non-faces share palette, sizes, positions, clutter, mean luminance and contrast. They differ only in the shape
and arrangement of their parts, so a classifier must rely on structure.
"""

import colorsys

import numpy as np
from PIL import Image, ImageFilter

from analysis.simulate.canvas import Canvas, Frame, smooth_noise
from analysis.simulate.heads_and_objects import DRAW
from analysis.simulate.scenes import Scene

CLUTTER_SHAPES = 14


def render(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (height, width, 3), uint8, and the region of the face or face-like part (height, width), bool.

    The region of an object is empty.
    """
    rng = np.random.default_rng(scene.seed)
    width, height = scene.size
    canvas = Canvas(_background(rng, width, height))
    _clutter(rng, canvas, scene)
    frame = Frame(scene.x, scene.y, scene.half_height, scene.roll)
    base = _colour(rng)
    _support(rng, canvas, frame)
    kind = scene.category if scene.kind == "head" else scene.kind
    region = DRAW[kind](canvas, frame, scene, base, rng)
    if scene.category == "pareidolia":
        region = DRAW["pareidolia"](canvas, frame, scene, base, rng)
    elif scene.category == "object":
        region = np.zeros((height, width), bool)
    return _finish(rng, canvas.pixels, scene), region


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw the colour of a head or object, mostly a skin or wood tone."""
    hue = rng.uniform(0.02, 0.12) if rng.random() < 0.75 else rng.random()
    return colorsys.hsv_to_rgb(hue, rng.uniform(0.15, 0.6), rng.uniform(0.45, 0.95))


def _any_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.6), rng.uniform(0.1, 1.0))


def _background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Return a textured background with a random gradient and sometimes stripes."""
    texture = smooth_noise(rng, height, width) * rng.uniform(0.03, 0.16)
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j].astype(np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    along = x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))
    texture += along * rng.uniform(0, 0.5)
    if rng.random() < 0.4:
        texture += rng.uniform(0.03, 0.12) * np.sin(along * rng.uniform(15, 40))
    colour = np.asarray(_any_colour(rng), np.float32)
    return np.clip(colour * np.float32(0.7) + texture.astype(np.float32)[..., None] + np.float32(0.1), 0, 1)


def _clutter(rng: np.random.Generator, canvas: Canvas, scene: Scene) -> None:
    """Paint background shapes, among them light and dark spots and bars like those in faces."""
    width, height = scene.size
    for _ in range(round(scene.clutter * CLUTTER_SHAPES)):
        frame = Frame(rng.uniform(0, width), rng.uniform(0, height), height, rng.uniform(0, np.pi))
        ru, rv = rng.uniform(0.015, 0.12, 2)
        power = 2.0 if rng.random() < 0.5 else 6.0
        shade = rng.random()
        colour = (0.08,) * 3 if shade < 0.2 else (0.95,) * 3 if shade < 0.3 else _any_colour(rng)
        canvas.paint(frame, 0, 0, ru, rv, colour, power=power)


def _support(rng: np.random.Generator, canvas: Canvas, frame: Frame) -> None:
    """Paint the support of a head or object (shoulders, a stand), in two of three scenes."""
    if rng.random() < 0.67:
        level = Frame(frame.x, frame.y, frame.scale)
        power = 2.0 if rng.random() < 0.5 else 6.0
        canvas.paint(level, 0, rng.uniform(1.35, 1.6), rng.uniform(0.7, 1.3), 0.65, _any_colour(rng), power=power)


def _finish(rng: np.random.Generator, pixels: np.ndarray, scene: Scene) -> np.ndarray:
    """Light the scene, draw luminance and contrast from the same distributions for all categories, and blur."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j].astype(np.float32)
    lit = 1 + 0.25 * (x * np.float32(np.cos(scene.light)) + y * np.float32(np.sin(scene.light)))
    pixels = pixels * lit[..., None]
    grey = pixels.mean(axis=2)
    mean, sd = rng.uniform(0.36, 0.54) * scene.brightness, rng.uniform(0.17, 0.23)
    pixels = (pixels - grey.mean()) * np.float32(sd / grey.std()) + np.float32(mean)
    pixels += rng.normal(0, 0.008, (height, width, 1)).astype(np.float32)
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255).round().astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(0.6)))
