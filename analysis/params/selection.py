"""Which of the published recordings of free viewing are used."""

from typing import Annotated, Literal

from pydantic import Field

from analysis.core.areas import Area
from analysis.params.base import Count, Group, Name


class Selection(Group):
    """The recordings of the dandiset, and the kinds of their files."""

    areas: Literal["all"] | list[Area]
    monkeys: Literal["all"] | list[Name]
    recordings: Literal["all"] | list[Name]
    limit: Count | None
    kinds: Annotated[list[Literal["rasters", "main", "behavior"]], Field(min_length=1)]
