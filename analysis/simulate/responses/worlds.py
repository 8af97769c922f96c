"""Worlds: ground truths about what drives the simulated units, against which a comparison can be tested.

- ``label``: early areas follow Gabor energy, conjunctions and texture, late areas mostly the presence of a face.
- ``graded``: early areas as above, middle areas intermediate layers of a teacher network, late areas its last block. No
  label is planted: units prefer faces only as far as the teacher's features do. No model under comparison is the
  teacher or was trained from it.
- ``gabor``: all areas follow Gabor energy.
- ``pixels``: all areas follow the luminance within the field.
- ``none``: units respond reliably to images, but independently of what the images show.
"""

from dataclasses import dataclass

from analysis.simulate.responses.early_features import STAGES
from analysis.simulate.responses.teacher import LAYERS

FACE, UNRELATED = "face", "unrelated"
AREAS = ("V1", "V2", "V4", "PIT", "CIT", "AIT")


@dataclass(frozen=True)
class Map:
    """A kind of feature map: the array that holds it, and its channels in that array."""

    array: str
    part: slice

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.part.stop - self.part.start


EARLY, LUMINANCE = "early", "luminance"
MAPS = (
    {source: Map(EARLY, part) for source, part in STAGES.items()}
    | {layer: Map(layer, slice(0, channels)) for layer, (_, channels) in LAYERS.items()}
    | {LUMINANCE: Map(LUMINANCE, slice(0, 1))}
)
"""Every kind of map by its name in `WORLDS`."""


def _by_area(*weights: float) -> dict[str, float]:
    return dict(zip(AREAS, weights, strict=True))


WORLDS: dict[str, dict[str, dict[str, float]]] = {
    # world: {what units follow: weight by area, V1 to AIT}; the squared weights of an area are scaled to sum to 1
    "label": {
        "V1": _by_area(1.0, 0.45, 0.15, 0.0, 0.0, 0.0),
        "V2": _by_area(0.0, 0.9, 0.4, 0.2, 0.1, 0.0),
        "V4": _by_area(0.0, 0.0, 0.9, 0.75, 0.55, 0.35),
        FACE: _by_area(0.0, 0.0, 0.15, 0.6, 0.8, 0.95),
    },
    "graded": {
        "V1": _by_area(1.0, 0.45, 0.15, 0.0, 0.0, 0.0),
        "V2": _by_area(0.0, 0.9, 0.4, 0.2, 0.0, 0.0),
        "V4": _by_area(0.0, 0.0, 0.6, 0.3, 0.0, 0.0),
        "middle": _by_area(0.0, 0.0, 0.7, 0.7, 0.6, 0.3),
        "late": _by_area(0.0, 0.0, 0.0, 0.5, 0.7, 0.85),
    },
    "gabor": {"V1": dict.fromkeys(AREAS, 1.0)},
    "pixels": {LUMINANCE: dict.fromkeys(AREAS, 1.0)},
    "none": {UNRELATED: dict.fromkeys(AREAS, 1.0)},
}


def teacher_is_needed(world: str) -> bool:
    """Return whether units of a world follow the teacher network."""
    return any(MAPS[source].array in LAYERS for source in WORLDS[world] if source in MAPS)
