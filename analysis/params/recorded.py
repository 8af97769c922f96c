"""Recorded data sets, of steady gaze or free viewing, analysed alongside the experiment."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import ConfigDict, Field, model_validator

from analysis.core.areas import Area
from analysis.core.errors import DataError
from analysis.params.base import NAME, Group, Positive
from analysis.params.selection import Selection


class DataSet(Group):
    """One entry under ``recorded.datasets``: a source, and the selection from it."""

    implementation: ClassVar[str]
    """Module of `analysis.acquire.recorded` that holds ``acquire(entry, params, raw)``."""

    has_responses: ClassVar[bool] = True
    """Whether unit responses were published, not only dissimilarities."""

    views_freely: ClassVar[bool] = False
    """Whether the gaze was free, so that a presentation has several fixations, each on another part of the image."""

    source: str
    images: Literal["all", "untrained"]
    """Images on which units are predicted: all, or those outside the models' training split."""
    task: Literal["face"] = "face"
    """What models learn: to tell faces from other images; or, with object, the categories of the images apart."""
    training: None = None
    """A folder of images on which models are trained instead of part of the data set's own."""


class SteadyGaze(DataSet):
    """Responses to images shown at steady gaze, whose task and training images can be chosen."""

    task: Literal["face", "object"] = "face"
    training: str | None = None


LABELLED = "210325"
"""The session of V4 whose images have labels (`analysis.acquire.recorded.v4.BLOCKS`)."""


class V4(SteadyGaze):
    """Macaque V4 (Cowley et al. 2023): one session of array recordings."""

    implementation = "v4"

    source: Literal["v4"]
    session: Annotated[str, Field(pattern=r"^\d{6}$", description='a date such as "210325"')]
    """Date of the session, such as 210325."""

    @model_validator(mode="after")
    def _can_be_trained(self):
        if self.training is None and self.session != LABELLED:
            raise ValueError(
                f"session = {self.session!r}: what its images show is not known, only of {LABELLED!r}: "
                "name a folder of other images under training"
            )
        return self


class MajajHong(SteadyGaze):
    """Macaque V4 and IT (Majaj, Hong et al. 2015), the public part."""

    implementation = "majaj_hong"

    source: Literal["majaj_hong"]


class Kriegeskorte92(DataSet):
    """Dissimilarities of 92 images in monkey and human IT (Kriegeskorte et al. 2008)."""

    implementation = "kriegeskorte92"
    has_responses = False

    source: Literal["kriegeskorte92"]
    images: Literal["all"]


class Assembly(SteadyGaze):
    """The user's own responses."""

    implementation = "assembly"

    source: Literal["assembly"]
    path: str
    """A folder of arrays, or a netCDF file of presentations by neuroids."""
    stimuli: str | None
    """Csv file of the images of a netCDF file; the images are next to it, or in a zip or folder of the same name."""
    response: Literal["rate", "count", "normalised"]
    """Spikes/s, spikes in the window, or the source's own scale, which may be negative."""
    region: Area | Literal["IT"] | None
    """Area of the units, if the files do not give it."""
    window_ms: Positive | None
    """Length of the response window, if the files do not give it."""


class FreeViewing(Selection, DataSet):
    """Macaque free viewing (Xiao et al. 2024, DANDI 000628): a selection of recordings."""

    implementation = "free_viewing"
    views_freely = True

    source: Literal["free_viewing"]
    task: Literal["face"] = "face"
    training: None = None

    @model_validator(mode="after")
    def _has_the_files_of_fixations_and_spikes(self):
        if missing := [kind for kind in ("main", "rasters") if kind not in self.kinds]:
            raise ValueError(f"kinds lacks {' and '.join(missing)}: responses are computed from main and rasters")
        return self


Entry = V4 | MajajHong | Kriegeskorte92 | Assembly | FreeViewing
"""All sources. To add one, add its class here and the module that the class names."""

SOURCES: dict[str, type[DataSet]] = {
    name: values for values in get_args(Entry) for name in get_args(values.model_fields["source"].annotation)
}
"""The sources by name."""


class DataSets(Group):
    """An entry for each data set."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Annotated[Entry, Field(discriminator="source")]]

    def names(self) -> list[str]:
        """Return the names of all entries, sorted."""
        return sorted(self.__pydantic_extra__)

    def entry(self, name: str) -> DataSet:
        """Return the entry of a data set. Raises `DataError` if there is no such entry."""
        if name not in self.__pydantic_extra__:
            known = ", ".join(self.names()) or "none"
            raise DataError(f"no recorded data set {name!r} in params.yaml (recorded.datasets); there are {known}")
        return self.__pydantic_extra__[name]


class Recorded(Group):
    """The data sets to run, the models to compare with them, and an entry for each data set."""

    run: list[str]
    geometry: list[str]
    """Data sets for which only dissimilarities were published."""
    models: Annotated[list[str], Field(min_length=1)]
    models_from: Annotated[str, Field(pattern=rf"^(\.|recorded/{NAME[1:-1]})$", description=". or recorded/NAME")]
    """Folder of the trained models that ``geometry`` compares: ``.`` (the experiment), or one under recorded/."""
    datasets: DataSets

    @model_validator(mode="after")
    def _every_data_set_has_an_entry(self):
        for key in ("run", "geometry"):
            for name in getattr(self, key):
                if name not in self.datasets.names():
                    known = ", ".join(self.datasets.names())
                    raise ValueError(f"{key} names {name!r}, which is not among the entries {known}")
                if self.datasets.entry(name).has_responses != (key == "run"):
                    other = "geometry" if key == "run" else "run"
                    raise ValueError(f"{key} names {name!r}: move it to {other}")
        return self
