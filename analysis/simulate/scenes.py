"""The content of each image: category, identity, pose, light and position, drawn before anything is rendered."""

from dataclasses import dataclass, replace

import numpy as np

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.params import Simulate

SIZES = {"square": (240, 240), "wide": (312, 216)}
"""Width and height in pixels of the two sets of images; a recording shows images of one set."""
WIDE_SHARE = 0.35
OBJECT_KINDS = ("clock", "box", "cup", "plant", "wheel", "fruit")
HUMAN_IDENTITIES, PRIMATE_IDENTITIES = 24, 8
N_CODE = 4
"""Dimensions of an identity."""
FACE_CATEGORIES = (
    # category (several: all of them annotated), share of `faces`, face strength for a face-selective neuron
    ("face", 0.79, 1.0),
    ("primate_face", 0.13, 0.9),
    ("face+occluded_face", 0.02, 0.7),
    ("occluded_face", 0.02, 0.55),
    ("other_face", 0.02, 0.5),
    ("primate_face_clutter", 0.02, 0.5),
)
FACE_STRENGTH = {name: strength for name, _, strength in FACE_CATEGORIES} | {"pareidolia": 0.3, "object": 0.0}
NEAR_DUPLICATE_SHARE = 0.04
JPG_SHARE = {"human": 0.85, "primate": 0.6, "other": 0.55}
"""Most human faces are jpg, as in the published images, so the file format slightly predicts the label."""
RGBA_SHARE = 0.4
"""Share of png images with an alpha channel."""


@dataclass(frozen=True)
class Scene:
    """One image before it is rendered. Lengths are in pixels, angles in radians."""

    index: int
    category: str
    """Folder of annotations (several joined by "+"), or ``object``."""
    kind: str
    """Kind of object (also under a pareidolia), or ``head``."""
    pool: str
    annotated: bool
    identity: int
    code: tuple[float, ...]
    """Coordinates of the identity, standard normal; zeros without a face."""
    yaw: float
    pitch: float
    roll: float
    light: float
    """Direction of the light in the image plane."""
    brightness: float
    clutter: float
    """0 to 1: share of the maximum number of background shapes."""
    x: float
    y: float
    half_height: float
    extension: str
    mode: str
    boxed: bool
    """Whether the face is annotated by a row of face.csv rather than a mask image."""
    mask_extension: str
    original: int
    """Index of the scene that this one nearly duplicates; its own index if there is none."""
    seed: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return SIZES[self.pool]

    @property
    def strength(self) -> float:
        """How strongly the scene drives face-selective neurons as a face, 0 to 1."""
        return FACE_STRENGTH[self.category]


def draw_scenes(params: Simulate, seed: int) -> list[Scene]:
    """Draw all scenes: first annotated faces, objects and pareidolia, then unannotated images.

    Raises `DataError` if there are too few images for every kind in the published data.
    """
    for key, least in (("faces", 12), ("objects", 12), ("pareidolia", 4), ("unlabelled", 4)):
        if getattr(params, key) < least:
            raise DataError(f"params.yaml: simulate.{key} = {getattr(params, key)}: give {least} or more images")
    categories = _face_categories(params.faces)
    categories += ["object"] * params.objects + ["pareidolia"] * params.pareidolia
    plan = [(category, True) for category in categories]
    strange = ("face", "object", "primate_face", "pareidolia")
    plan += [(strange[i % 4], False) for i in range(params.unlabelled)]
    identities = _identities(seed)
    rank: dict = {}
    scenes = []
    for index, (category, annotated) in enumerate(plan):
        place = rank[category, annotated] = rank.get((category, annotated), -1) + 1
        scenes.append(_draw(index, category, annotated, place, identities, seed))
    return _with_near_duplicates(scenes, seed)


def _face_categories(n: int) -> list[str]:
    """Distribute `n` faces over the categories of face: at least one for each, the rest human faces."""
    rare = {name: max(1, round(share * n)) for name, share, _ in FACE_CATEGORIES[1:]}
    return ["face"] * (n - sum(rare.values())) + [name for name, count in rare.items() for _ in range(count)]


def _identities(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed_of(seed, "identities"))
    return rng.standard_normal((HUMAN_IDENTITIES + PRIMATE_IDENTITIES, N_CODE))


def _draw(index: int, category: str, annotated: bool, place: int, identities: np.ndarray, seed: int) -> Scene:
    rng = np.random.default_rng(seed_of(seed, "scene", index))
    # Pools alternate, so that both contain every category in proportion even if there are few images.
    wide = int((place + 1) * WIDE_SHARE + 0.3) > int(place * WIDE_SHARE + 0.3)
    pool = "wide" if wide or not annotated else "square"
    width, height = SIZES[pool]
    is_face = category not in ("object", "pareidolia")
    primate = category.startswith("primate")
    identity = -1
    if is_face:
        first, count = (HUMAN_IDENTITIES, PRIMATE_IDENTITIES) if primate else (0, HUMAN_IDENTITIES)
        identity = first + int(rng.integers(count))
    half = height * rng.uniform(0.3, 0.45)
    if category == "primate_face_clutter":
        half = height * rng.uniform(0.18, 0.23)
    sort = "primate" if primate else "human" if is_face else "other"
    extension = "jpg" if rng.random() < JPG_SHARE[sort] else "png"
    return Scene(
        index=index,
        category=category,
        kind="head" if is_face else OBJECT_KINDS[place % len(OBJECT_KINDS)],
        pool=pool,
        annotated=annotated,
        identity=identity,
        code=tuple(identities[identity].tolist()) if is_face else (0.0,) * N_CODE,
        yaw=float(rng.uniform(-0.55, 0.55)),
        pitch=float(rng.uniform(-0.3, 0.3)),
        roll=float(rng.normal(0, 0.13)),
        light=float(rng.uniform(-np.pi, np.pi)),
        brightness=float(rng.uniform(0.65, 1.1)),
        clutter=float(1.0 if category == "primate_face_clutter" else rng.uniform(0, 1)),
        x=float(width / 2 + rng.uniform(-1, 1) * (width / 2 - 0.8 * half) * 0.8),
        y=float(height / 2 + rng.uniform(-1, 1) * (height / 2 - half) * 0.8),
        half_height=float(half),
        extension=extension,
        mode="RGBA" if extension == "png" and rng.random() < RGBA_SHARE else "RGB",
        boxed=category == "face" and extension == "jpg",
        mask_extension="jpg" if rng.random() < 0.1 else "png",
        original=index,
        seed=int(rng.integers(2**31)),
    )


def _with_near_duplicates(scenes: list[Scene], seed: int) -> list[Scene]:
    """Replace some scenes by near-duplicates (shift, brightness) of an earlier scene of the same category and pool."""
    rng = np.random.default_rng(seed_of(seed, "near-duplicates"))
    scenes = list(scenes)
    wanted = max(2, round(NEAR_DUPLICATE_SHARE * len(scenes)))
    used: set[int] = set()
    for index in rng.permutation(len(scenes)):
        scene = scenes[index]
        same = [
            s.index
            for s in scenes
            if (s.category, s.pool, s.annotated) == (scene.category, scene.pool, scene.annotated)
            and s.index < index
            and s.original == s.index
        ]
        if not same or index in used:
            continue
        chosen = int(rng.choice(same))
        shift = rng.uniform(-3, 3, 2)
        scenes[index] = replace(
            scenes[chosen],
            index=scene.index,
            x=scenes[chosen].x + float(shift[0]),
            y=scenes[chosen].y + float(shift[1]),
            brightness=scenes[chosen].brightness * float(rng.uniform(0.9, 1.1)),
            extension=scene.extension,
            mode=scene.mode,
            boxed=scene.boxed,
            original=chosen,
        )
        used |= {int(index), chosen}
        if (wanted := wanted - 1) == 0:
            break
    return scenes
