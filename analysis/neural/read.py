"""Read what the stage ``neural`` measured of the populations."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.files import read_json
from analysis.core.seeds import seed_of
from analysis.neural import readout
from analysis.neural.populations import Population
from analysis.params import Compare
from analysis.params.protocol import Protocol

TABLES = {"decoding": readout.DECODING, "kernel": readout.KERNEL, "learning": readout.LEARNING}
"""Columns of the tables of the populations' read-out."""


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
        `variation.assign_levels`.
    """

    def __init__(self, table: pd.DataFrame, levels: pd.DataFrame):
        self.table, self.levels = table.set_index("stem"), levels
        self.groups: dict[str, int] = dict(zip(table["stem"], table["group"], strict=True))

    def task(self, population: Population, rules: Protocol, settings: Compare) -> readout.FaceTask:
        """Return the face task on a population's images."""
        return readout.FaceTask(population, self.table, self.levels, self.groups, rules, settings)


def seed_for(seed: int, population: Population) -> int:
    """Return the seed of a population: the same for all models, so that they meet the same folds, halves and draws."""
    return seed_of(seed, "compare", population.recording, population.region)


def read_populations(protocol: str) -> Iterator[MeasuredPopulation]:
    """Yield the populations of a protocol, in the order in which they were written.

    Raises
    ------
    DataError
        If the stage ``neural`` has not run, or one of its files is damaged.
    """
    folder = paths.NEURAL / protocol
    again = f"run the stage neural for {protocol}"
    try:
        for entry in read_json(folder / "populations.json", again, list):
            responses = np.load(folder / entry["file"], allow_pickle=False)
            if responses.shape != (len(entry["images"]), len(entry["units"])):
                raise DataError(f"{folder / entry['file']} does not match the shape in populations.json: {again}")
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
    except FileNotFoundError as error:
        raise DataError(f"{error.filename} not found: {again}") from error
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise DataError(f"{folder}: damaged ({' '.join(str(error).split())}): {again}") from error


def read_levels(protocol: str) -> pd.DataFrame:
    """Read the levels of variation of the images (`variation.assign_levels`), indexed by stem."""
    return read_table(protocol, "levels", dtype=str, keep_default_na=False).set_index("stem")


def read_table(protocol: str, name: str, **options) -> pd.DataFrame:
    """Read a table that the stage ``neural`` wrote, by name; `options` are those of ``pandas.read_csv``."""
    path = paths.NEURAL / protocol / f"{name}.csv"
    try:
        return pd.read_csv(path, **options)
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run the stage neural for {protocol}") from error


def read_counts(protocol: str) -> dict[str, int]:
    """Read the numbers of recordings, subjects, units and fixations under a protocol."""
    return read_json(paths.NEURAL / protocol / "counts.json", f"run the stage neural for {protocol}")
