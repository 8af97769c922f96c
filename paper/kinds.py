"""What the JSON files of the results hold, as far as the paper uses it."""

from typing import Literal

from typing_extensions import TypedDict


class Model(TypedDict):
    """A compared model in ``summary.json``."""

    kind: str
    protocol: str
    layers: list[str]
    top_layer: str | None


class Agreement(TypedDict):
    """How well ceilings agree with the planted truth."""

    units: int
    mean_difference: float | None
    pearson_r: float | None


class Validation(TypedDict):
    """Agreement of ceilings with the planted truth, of all units and of those whose rate does not drift."""

    units: int
    drifting: int
    steady: Agreement


class Data(TypedDict):
    """Numbers of what was recorded."""

    images: int
    faces: int
    recordings: int
    subjects: int
    units: int
    fixations_in_file: int
    fixations_selected: int


class Summary(TypedDict):
    """``summary.json``."""

    source: Literal["simulated", "real"]
    missing: list[str]
    data: Data
    models: dict[str, Model]
    validation: Validation | None


class Presentation(TypedDict):
    """One showing of an image: fixations (x, y, onset, offset, selected) and spike times of each unit."""

    window: list[float]
    fixations: list[list[float | bool]]
    spikes: list[list[float]]


class ShownImage(TypedDict):
    """An image of the example recording."""

    stem: str
    category: str
    jpeg: str | None
    presentations: list[Presentation]


class Unit(TypedDict):
    """A unit of the example recording."""

    name: str
    area: str


class Recording(TypedDict):
    """The example recording."""

    name: str
    size_dva: list[float]
    units: list[Unit]
    images: list[ShownImage]


class Example(TypedDict):
    """``example.json``."""

    recording: Recording | None
    missing: str | None
    thumbnails: dict[str, str | None]
    screen_grey: int


class Stamp(TypedDict):
    """``environment.json``."""

    locks: dict[str, str]
    packages: dict[str, str]
    python: str
    torch: str
    device: str
    cuda: str | None
    driver: str | None
    numerics: str
    cpu: str | None
    instruction_set: str | None
    threads: int
