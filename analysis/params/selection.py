"""Which of the published recordings of free viewing are used."""

from typing import Annotated, Literal

from pydantic import Field

from analysis.core.areas import Area
from analysis.params.base import Count, Group, Name

AtLeastOne = Field(min_length=1)


class Selection(Group):
    """The recordings of the dandiset, and the kinds of their files."""

    areas: Literal["all"] | Annotated[list[Area], AtLeastOne]
    monkeys: Literal["all"] | Annotated[list[Name], AtLeastOne]
    recordings: Literal["all"] | Annotated[list[Name], AtLeastOne]
    limit: Count | None
    kinds: Annotated[list[Literal["rasters", "main", "behavior"]], AtLeastOne]
