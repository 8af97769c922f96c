"""Macaque free viewing, V1 to AIT (Xiao et al. 2024, DANDI 000628): the published files, in the published layout.

The stages that read the files of the experiment read spikes, gaze, images and annotations from these, so that this data
set has no responses of the common layout.
"""

from pathlib import Path

from analysis.acquire.real import sources, stage
from analysis.params import FreeViewing, Params


def acquire(entry: FreeViewing, params: Params, raw: Path) -> None:
    """Fetch the files of the selected recordings, unless the store has them, and link them into `raw`.

    Raises
    ------
    DataError
        If the selection is empty or names something unknown, or the files cannot be fetched or differ from their pins.
    """
    of_set = sources.DANDISET
    about = {"dataset": f"DANDI {of_set.id}", "url": of_set.url, "licence": of_set.licence, "citation": of_set.citation}
    stage.bring(entry, "", raw, about | {"source": entry.source})
