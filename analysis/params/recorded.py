"""Recorded data sets: responses to images shown at steady gaze, analysed beside the experiment with free viewing."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from analysis.core.errors import DataError
from analysis.params.base import Group

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
"""Of a data set, and of its folder under ``recorded/``."""


class DataSet(Group):
    """One entry under ``recorded.datasets``: a source, and what is chosen of it."""

    implementation: ClassVar[str]
    """Module of `analysis.acquire.recorded` that holds ``acquire(entry, params, raw)``."""

    source: str
    images: Literal["all", "untrained"]
    """Images on which units are predicted: all, or those outside the models' training split."""


class V4(DataSet):
    """Macaque V4 (Cowley et al. 2023): one session of recordings from arrays."""

    implementation = "v4"

    source: Literal["v4"]
    session: Annotated[str, StringConstraints(pattern=r"^\d{6}$")]
    """Date of the session, such as 210325."""


class MajajHong(DataSet):
    """Macaque V4 and IT (Majaj, Hong et al. 2015), the public part."""

    implementation = "majaj_hong"

    source: Literal["majaj_hong"]


class Kriegeskorte92(DataSet):
    """Dissimilarities of 92 images in monkey and human IT (Kriegeskorte et al. 2008)."""

    implementation = "kriegeskorte92"

    source: Literal["kriegeskorte92"]


class Assembly(DataSet):
    """Responses of the reader's own."""

    implementation = "assembly"

    source: Literal["assembly"]
    path: str
    """A folder of arrays, or a netCDF file of presentations by neuroids."""


Entry = V4 | MajajHong | Kriegeskorte92 | Assembly
"""Every source. A new one is a class in this list and the module that it names."""

SOURCES: dict[str, type[DataSet]] = {
    name: values for values in get_args(Entry) for name in get_args(values.model_fields["source"].annotation)
}
"""The sources by name."""


class DataSets(Group):
    """An entry for each data set."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[Name, Annotated[Entry, Field(discriminator="source")]]

    def names(self) -> list[str]:
        """Return the names of all entries, sorted."""
        return sorted(self.__pydantic_extra__)

    def entry(self, name: str) -> DataSet:
        """Return the entry of a data set. Raises `DataError` if there is none of that name."""
        if name not in self.__pydantic_extra__:
            known = ", ".join(self.names()) or "none"
            raise DataError(f"no recorded data set {name!r} in params.yaml (recorded.datasets); there are {known}")
        return self.__pydantic_extra__[name]


class Recorded(Group):
    """The data sets that run, the models compared with them, and an entry for each data set."""

    run: list[str]
    models: Annotated[list[str], Field(min_length=1)]
    datasets: DataSets

    @model_validator(mode="after")
    def _every_data_set_has_an_entry(self):
        for name in self.run:
            if name not in self.datasets.names():
                raise ValueError(
                    f"run names {name!r}, which is not among the entries {', '.join(self.datasets.names())}"
                )
        return self
