"""Base class, types and checks shared by all parameter groups."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from analysis.core.errors import DataError

MOST = 1_000_000
"""Upper limit of all counts: memory or patience runs out first."""
LARGEST = 1e9
WIDEST = 4096
"""Largest side of an image in pixels."""

Count = Annotated[int, Field(ge=1, le=MOST)]
Counts = Annotated[list[Count], Field(min_length=1)]
Positive = Annotated[float, Field(gt=0, le=LARGEST)]
NotNegative = Annotated[float, Field(ge=0, le=LARGEST)]
Share = Annotated[float, Field(gt=0, lt=1)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME, description="a name of letters, digits, _ and -")]
"""A name that becomes part of a path or a shell command."""


def check_odd(**sizes: int) -> None:
    """Refuse even sizes, which have no centre."""
    for name, size in sizes.items():
        if size % 2 == 0:
            raise ValueError(f"{name} = {size}: give an odd size")


def check_halvings(size: int, n: int) -> None:
    """Refuse images that cannot be halved `n` times."""
    if size < 2**n:
        raise ValueError(f"size = {size} is too small to be halved {n} times")


class Group(BaseModel):
    """An immutable group of parameters; an unknown key or a value of another type (`true` for 1) is an error.

    No group of the experiment has defaults: ``params.yaml`` states every value, so that no result depends on a hidden
    one. An entry of a recorded data set may leave out ``task`` and ``training``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def __getattr__(self, name: str):
        if name in type(self).model_fields:
            raise DataError(f"{type(self).__name__.lower()}.{name} is not among the parameters that dvc.yaml lists")
        return super().__getattr__(name)
