"""Stage ``acquire`` of a recorded data set: write it to data/raw in the common layout."""

import importlib

from analysis.core import paths
from analysis.params import Params


def run(params: Params, dataset: str) -> None:
    """Fill data/raw from the source of a data set; the previous data stay until the new files are complete.

    Raises
    ------
    DataError
        If there is no such data set, or its source cannot be reached, differs from its pins, or breaks a rule of
        `analysis.acquire.recorded.layout`.
    """
    entry = params.recorded.datasets.entry(dataset)
    source = importlib.import_module(f"analysis.acquire.recorded.{entry.implementation}")
    source.acquire(entry, params, paths.RAW)
