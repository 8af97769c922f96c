"""The group ``models`` of ``params.yaml``: one entry per model."""

from typing import Annotated, get_args

from pydantic import ConfigDict, Field, model_validator

from analysis.core.errors import DataError
from analysis.params.base import Group, Name
from analysis.params.hmo import HMO, ReportHMO, ReportHMOUntrained
from analysis.params.kinds import Category, EfficientNet, Gabor, Model, Own, Pixels, ResNet, SimpleCNN, ViT

Entry = HMO | ReportHMO | ReportHMOUntrained | SimpleCNN | ResNet | ViT | Gabor | Pixels | Category | EfficientNet | Own
"""All kinds of model. To add one, add its class here and the module that the class names."""

KINDS: dict[str, type[Model]] = {
    name: values for values in get_args(Entry) for name in get_args(values.model_fields["kind"].annotation)
}
"""The kinds by name."""


class Models(Group):
    """The models to run, and an entry for each model."""

    model_config = ConfigDict(extra="allow")

    run: Annotated[list[Name], Field(min_length=1)]
    __pydantic_extra__: dict[str, Annotated[Entry, Field(discriminator="kind")]]

    @model_validator(mode="after")
    def _every_model_has_an_entry(self):
        for name in self.run:
            if name not in self.__pydantic_extra__:
                raise ValueError(f"run names {name!r}, which is not among the entries {self._names()}")
        return self

    def _names(self) -> str:
        return ", ".join(sorted(self.__pydantic_extra__))

    def kinds(self) -> dict[str, str]:
        """Return the kind of every model, by name."""
        return {name: entry.kind for name, entry in self.__pydantic_extra__.items()}

    def entry(self, name: str) -> Model:
        """Return the entry of a model. Raises `DataError` if there is no such entry."""
        if name not in self.__pydantic_extra__:
            raise DataError(f"no model {name!r} in params.yaml; its models are {self._names()}")
        return self.__pydantic_extra__[name]
