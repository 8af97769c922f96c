"""The visual areas of the recordings, in the order of the ventral stream."""

from typing import Literal, get_args

Area = Literal["V1", "V2", "V4", "PIT", "CIT", "AIT"]
AREAS: tuple[str, ...] = get_args(Area)
IT = "IT"
"""Inferior temporal cortex, where a source does not say which of PIT, CIT and AIT."""


def in_order(regions) -> list[str]:
    """Return the distinct areas among `regions`, in the order of the ventral stream; IT comes last."""
    present = set(regions)
    return [area for area in (*AREAS, IT) if area in present]
