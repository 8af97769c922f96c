"""The visual areas of the recordings, in the order of the ventral stream."""

from typing import Literal, get_args

Area = Literal["V1", "V2", "V4", "PIT", "CIT", "AIT"]
AREAS: tuple[str, ...] = get_args(Area)
