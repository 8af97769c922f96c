"""Stage ``acquire`` of a recorded data set: write it to data/raw in the common layout."""

import importlib
from pathlib import Path

from analysis.acquire.recorded import training
from analysis.core import paths
from analysis.params import Params


def run(params: Params, dataset: str) -> None:
    """Fill data/raw from the source of a data set; the previous data stay until the new files are complete.

    Raises
    ------
    DataError
        If there is no such data set, or its source cannot be reached, differs from its pins, or breaks a rule of
        `analysis.acquire.recorded.layout`; or if the images to train on cannot be used (`training.read`).
    """
    entry = params.recorded.datasets.entry(dataset)
    source = importlib.import_module(f"analysis.acquire.recorded.{entry.implementation}")
    if entry.training is None:
        return source.acquire(entry, params, paths.RAW)
    images = training.read(entry)  # first: fetching may take long

    def fill(raw: Path) -> None:
        source.acquire(entry, params, raw)
        training.add(raw, paths.of_reader(entry.training), images)

    training.swapped(paths.RAW, fill)
    print(f"acquire: {len(images)} other images to train on, from {entry.training}")
