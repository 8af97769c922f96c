"""The values of ``params.yaml``, checked before anything runs.

No class has defaults: the file says everything, so that a result never depends on a value nobody wrote down.
"""

import os
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from analysis.core.areas import Area
from analysis.core.errors import DataError
from analysis.params.protocol import PROTOCOLS, Protocol

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Group(BaseModel):
    """A group of parameters: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __getattr__(self, name: str):
        if name in type(self).model_fields:
            raise DataError(f"{type(self).__name__.lower()}.{name} is not among the parameters that dvc.yaml lists")
        return super().__getattr__(name)


class Acquire(Group):
    """Where the data come from and, of the published ones, which."""

    source: Literal["simulated", "real"]
    areas: Literal["all"] | list[Area]
    monkeys: Literal["all"] | list[str]
    recordings: Literal["all"] | list[str]
    limit: Count | None
    kinds: Annotated[list[Literal["rasters", "main", "behavior"]], Field(min_length=1)]


class Simulate(Group):
    """Size of the embedded experiment."""

    faces: Count
    objects: Count
    pareidolia: Count
    unlabelled: Count
    recordings: Annotated[int, Field(ge=6)]
    units_per_recording: Annotated[int, Field(ge=4)]
    images_per_recording: Annotated[int, Field(ge=8)]
    presentations_per_image: Annotated[int, Field(ge=2)]


class Stimuli(Group):
    """Image size and splits."""

    images: Literal["shown", "all"]
    size: Annotated[int, Field(ge=16)]
    validation: Share
    test: Share
    unreadable_allowed: Annotated[float, Field(ge=0, lt=1)]


class Recordings(Group):
    """Response window, repeatability test, and how many recordings may fail."""

    window_ms: Count
    permutations: Count
    failures_allowed: Annotated[int, Field(ge=0)]


class Model(Group):
    """One entry under ``models``: a kind of the registry, a protocol, and the kind's own values."""

    kind: str
    protocol: Literal["corrected", "report"]

    @property
    def rules(self) -> Protocol:
        """The protocol as a value."""
        return PROTOCOLS[self.protocol]


class Models(Group):
    """The models that run, and one entry for each."""

    model_config = ConfigDict(extra="allow")

    run: Annotated[list[str], Field(min_length=1)]
    __pydantic_extra__: dict[str, Model]

    @model_validator(mode="before")
    @classmethod
    def _entries_by_kind(cls, values):
        """Check each entry against the values of its kind, and name every fault by its whole key."""
        if not isinstance(values, dict):
            return values
        from analysis.params.models import KINDS  # late: the kinds are built on this module

        faults, entries = [], {}
        for name, value in values.items():
            if name == "run":
                continue
            kind = value.get("kind") if isinstance(value, dict) else None
            if not isinstance(kind, str) or kind not in KINDS:
                faults.append(f"models.{name}.kind = {kind!r}: the kinds are {', '.join(sorted(KINDS))}")
                continue
            try:
                entries[name] = KINDS[kind].model_validate(value)
            except ValidationError as error:
                faults += [_say(item, "models", name) for item in error.errors()]
        if faults:
            raise ValueError("; ".join(faults))
        return values | entries

    @model_validator(mode="after")
    def _every_model_has_an_entry(self):
        for name in self.run:
            if name not in self.__pydantic_extra__:
                known = ", ".join(sorted(self.__pydantic_extra__))
                raise ValueError(f"models.run names {name!r}, which has no entry under models (there: {known})")
        return self

    def entry(self, name: str) -> Model:
        """Return the entry of a model.

        Raises
        ------
        DataError
            If there is none of that name.
        """
        if name not in self.__pydantic_extra__:
            known = ", ".join(sorted(self.__pydantic_extra__))
            raise DataError(f"no model {name!r} in params.yaml; its models are {known}")
        return self.__pydantic_extra__[name]


class Stage(Group):
    """How many modules a stage of HMO has, and from how many candidates each is chosen."""

    modules: Count
    candidates: Count


class Predictivity(Group):
    """How units are predicted, and from which images."""

    images: Literal["all", "untrained"]
    components: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    fixed_components: Count
    folds: Annotated[int, Field(ge=3)]
    repeats: Count

    @field_validator("components")
    @classmethod
    def _rise(cls, numbers: list[int]) -> list[int]:
        if numbers[-1] < 1 or any(b <= a for a, b in pairwise(numbers)):
            raise ValueError(f"{numbers} are not numbers of components in rising order, the last of them 1 or more")
        return numbers


class Compare(Predictivity):
    """Predictivity, split halves and intervals."""

    readout_draws: Count
    split_halves: Count
    bootstrap: Count
    permutations: Annotated[int, Field(ge=19)]


class AuditNetwork(Group):
    """The small networks of the audit: random filters, of which the best of several is kept."""

    size: Annotated[int, Field(ge=16)]
    candidates: Annotated[int, Field(ge=2)]
    filters: Count
    kernels: Annotated[list[Count], Field(min_length=1)]
    grid: Count
    top: Annotated[int, Field(ge=3)]
    steps: Count
    learning_rate: Annotated[float, Field(gt=0)]
    penalty: Annotated[float, Field(ge=0)]


class Audit(Predictivity):
    """The ladder from one protocol to the other, and the controls."""

    area: Literal["latest"] | Area
    recordings: Annotated[int, Field(ge=2)]
    """At most so many of the area."""
    seeds: Count
    split_halves: Count
    shuffles: Annotated[int, Field(ge=20)]
    selection_splits: Annotated[int, Field(ge=2)]
    studies: Count
    table_rows: Annotated[int, Field(ge=30)]
    table_draws: Count
    network: AuditNetwork


class Explain(Group):
    """Attribution maps, their test against neurons, and the lesion of face channels."""

    models: list[str]
    """Of ``models.run``; each is also explained with initial weights."""
    images: Annotated[int, Field(ge=2)]
    """Test images with a face region, at most."""
    gradient_steps: Annotated[int, Field(ge=2)]
    window: Share
    """Side of the square that occlusion takes away, as a share of the image's."""
    stride: Share
    superpixels: Annotated[int, Field(ge=4)]
    samples: Annotated[int, Field(ge=8)]
    """Of LIME, for each image."""
    curve_images: Annotated[int, Field(ge=2)]
    curve_steps: Annotated[int, Field(ge=2)]
    permutations: Annotated[int, Field(ge=20)]
    lesion_shares: Annotated[list[Share], Field(min_length=1)]
    """Of a layer's channels that are set to zero; at most a half, as the controls are drawn from the rest."""
    lesion_draws: Annotated[int, Field(ge=2)]
    """Sets of control channels."""
    components: Count
    """Of PLS, in the lesions."""
    bootstrap: Annotated[int, Field(ge=20)]

    @model_validator(mode="after")
    def _possible(self):
        if self.stride > self.window:
            raise ValueError(f"stride = {self.stride} is more than window = {self.window}: gaps are never hidden")
        if self.lesion_shares != sorted(set(self.lesion_shares)) or self.lesion_shares[-1] > 0.5:
            raise ValueError(f"lesion_shares = {self.lesion_shares}: give rising shares up to 0.5")
        return self


class AblationHMO(Group):
    """Sizes at which the variants of HMO are trained: several times, so small."""

    size: Annotated[int, Field(ge=8)]
    grid: Count
    top: Count
    first: Stage
    second: Stage
    n_filt: list[list[Count]]


class AblationReport(Group):
    """Sizes at which the report's HMO is trained beside them."""

    size: Annotated[int, Field(ge=16)]
    candidates: Count
    kept: Count
    epochs: Annotated[list[Count], Field(min_length=1)]
    modules: Count
    final_epochs: Count
    top: Count


class Ablation(Group):
    """The variants of HMO, and the report's HMO, over several seeds."""

    seeds: Annotated[int, Field(ge=2)]
    hmo: AblationHMO
    report: AblationReport


class Candidates(Group):
    """Performance against predictivity over candidates of the search, and the ablation."""

    model: str
    """The model of kind ``hmo`` whose other values are used."""
    report: str
    """The model of kind ``hmo_report`` to compare with."""
    candidates: Annotated[int, Field(ge=2)]
    """Of each kind of search."""
    size: Annotated[int, Field(ge=8)]
    grid: Count
    n_filt: Annotated[list[list[Count]], Field(min_length=1, max_length=3)]
    batch: Count
    areas: Annotated[list[Area], Field(min_length=1)]
    """Areas whose predictivity the third kind of search makes large."""
    components: Count
    """Of PLS."""
    folds: Annotated[int, Field(ge=2)]
    """Of the images of the training split, in the third kind of search."""
    split_halves: Count
    """Of the presentations, for the ceilings."""
    ablation: Ablation


class Params(Group):
    """All of ``params.yaml``."""

    seed: Annotated[int, Field(ge=0)]
    acquire: Acquire
    simulate: Simulate
    stimuli: Stimuli
    recordings: Recordings
    models: Models
    compare: Compare
    audit: Audit
    candidates: Candidates
    explain: Explain


def load(path: str | os.PathLike = "params.yaml") -> Params:
    """Read and check the parameters.

    Raises
    ------
    DataError
        If the file is missing or is not YAML, or a key is unknown or missing, or a value impossible. The message
        names every such key.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return Params.model_validate(values)
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run from the folder that holds it") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise DataError(f"{path}: " + "; ".join(_say(item) for item in error.errors())) from error


def only(values: Params, names: list[str]) -> Params:
    """Return the parameters of these names alone, so that a stage cannot read one that ``dvc.yaml`` does not list.

    Parameters
    ----------
    values : Params
    names : list of str
        Dotted keys of parameters or groups. Any other parameter raises `DataError` when it is read.
    """
    tree: dict = {}
    for name in names:
        *groups, last = name.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[last] = {}
    return _part(values, tree)


def _part(group: Group, tree: dict) -> Group:
    if not tree:
        return group
    return type(group).model_construct(**{name: _part(getattr(group, name), rest) for name, rest in tree.items()})


def _say(item, *prefix: str) -> str:
    key = ".".join(str(part) for part in (*prefix, *item["loc"])) or "top level"
    if item["type"] == "extra_forbidden":
        return f"unknown key {key}"
    if item["type"] == "missing":
        return f"missing key {key}"
    if item["type"] == "value_error":
        said = str(item["ctx"]["error"])
        return said if said.startswith("models.") else f"{key}: {said}"
    return f"{key} = {item['input']!r}: {item['msg']}"
