"""Read the populations and tables that the stage ``neural`` writes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from analysis.core import paths
from analysis.core.reading import TEXT, damaged, read_csv, read_json, read_npy
from analysis.core.seeds import seed_of
from analysis.neural import readout
from analysis.neural.populations import Population
from analysis.params import Compare
from analysis.params.protocol import Protocol
from analysis.stimuli import read as stimuli

TABLES = {"decoding": readout.DECODING, "kernel": readout.KERNEL, "learning": readout.LEARNING}
"""Columns of each table of the populations' read-out."""


class Entry(TypedDict):
    """Entry of a population in populations.json."""

    recording: str
    subject: str
    region: str
    units: list[str]
    neuroid_ids: list[str]
    images: list[str]
    file: str
    ceiling: list[float | None]
    rdm_ceilings: list[float | None]


@dataclass(frozen=True)
class MeasuredPopulation:
    """A population with its ceilings.

    Attributes
    ----------
    population : Population
        Without its presentations.
    ceiling : (n_units,)
        Reliability of each unit's mean responses; NaN where undefined.
    rdm_ceilings : tuple of float
        Lower and upper bound on the correlation of a model's RDM with the population's; NaN where undefined.
    """

    population: Population
    ceiling: np.ndarray
    rdm_ceilings: tuple[float, float]


class Images:
    """Group, labels and levels of variation of the images, by stem.

    Parameters
    ----------
    table : DataFrame
        images.csv.
    levels : DataFrame
        From `variation.assign_levels`.
    """

    def __init__(self, table: pd.DataFrame, levels: pd.DataFrame):
        self.table, self.levels = table.set_index("stem"), levels
        self.groups: dict[str, int] = dict(zip(table["stem"], table["group"], strict=True))

    def task(self, population: Population, rules: Protocol, settings: Compare) -> readout.Task:
        """Return the task on a population's images."""
        return readout.Task(population, self.table, self.levels, self.groups, rules, settings)


def seed_for(seed: int, population: Population) -> int:
    """Return the seed of a population: the same for all models, so that they share folds, halves and draws."""
    return seed_of(seed, "compare", population.recording, population.region)


def read_populations(protocol: str) -> Iterator[MeasuredPopulation]:
    """Yield the populations of a protocol, in the order in which they were written.

    Raises
    ------
    DataError
        If the stage ``neural`` has not run, or one of its files is damaged.
    """
    folder, again = paths.NEURAL / protocol, _again(protocol)
    for entry in read_json(folder / "populations.json", again, list[Entry]):
        path, shape = folder / entry["file"], (len(entry["images"]), len(entry["units"]))
        responses = read_npy(path, again, 2)
        if responses.shape != shape or len(entry["ceiling"]) != shape[1]:
            raise damaged(path, f"shape {responses.shape} does not match {folder / 'populations.json'}", again)
        yield MeasuredPopulation(
            Population(
                *(entry[name] for name in ("recording", "subject", "region")),
                *(tuple(entry[name]) for name in ("units", "neuroid_ids", "images")),
                responses,
                None,
            ),
            np.array(entry["ceiling"], dtype=np.float64),
            tuple(np.array(entry["rdm_ceilings"], dtype=np.float64).tolist()),
        )


def read_levels(protocol: str) -> pd.DataFrame:
    """Read the levels of variation of the images (`variation.assign_levels`), indexed by stem."""
    path, again = paths.NEURAL / protocol / "levels.csv", _again(protocol)
    levels = read_csv(path, again, ["stem", "category"], dtype=str, na_values=[]).set_index("stem")
    if len(absent := stimuli.read_table().set_index("stem").index.difference(levels.index)):
        raise damaged(path, f"no row for image {absent[0]}", again)
    return levels


def read_table(protocol: str, name: str) -> pd.DataFrame:
    """Read a table of `TABLES` that the stage ``neural`` wrote, by name."""
    return read_csv(paths.NEURAL / protocol / f"{name}.csv", _again(protocol), TABLES[name], TEXT)


def read_counts(protocol: str) -> dict[str, int]:
    """Read the numbers of recordings, subjects, units and fixations under a protocol."""
    return read_json(paths.NEURAL / protocol / "counts.json", _again(protocol), dict[str, int])


def _again(protocol: str) -> str:
    return f"run the stage neural for {protocol}"
