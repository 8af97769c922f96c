"""What every group of parameters is built on."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from analysis.core.errors import DataError

Count = Annotated[int, Field(ge=1)]
Counts = Annotated[list[Count], Field(min_length=1)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]


def check_odd(**sizes: int) -> None:
    """Refuse even sizes, which have no centre."""
    for name, size in sizes.items():
        if size % 2 == 0:
            raise ValueError(f"{name} = {size}: give an odd size")


def check_halvings(size: int, n: int) -> None:
    """Refuse images that cannot be halved `n` times."""
    if size < 2**n:
        raise ValueError(f"size = {size} does not survive {n} halvings")


class Group(BaseModel):
    """An immutable group of parameters; an unknown key is an error.

    No group has defaults: ``params.yaml`` states every value, so that no result depends on one that nobody wrote down.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __getattr__(self, name: str):
        if name in type(self).model_fields:
            raise DataError(f"{type(self).__name__.lower()}.{name} is not among the parameters that dvc.yaml lists")
        return super().__getattr__(name)
