"""The stage ``neural``: what a comparison needs of the recordings and no model changes.

Mean responses, ceilings of units and RDMs, and the face task read out of the populations are computed once under each
protocol, then read by every comparison.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import paths
from analysis.compare import readout, scoring, variation
from analysis.compare.populations import Population, compared_images, populations
from analysis.errors import DataError
from analysis.files import atomic, write_csv, write_json
from analysis.params import Compare, Params
from analysis.protocol import PROTOCOLS, Protocol
from analysis.runtime import seed_of, track
from analysis.stimuli.read import read_table

TABLES = {"decoding": readout.DECODING, "kernel": readout.KERNEL}


@dataclass(frozen=True)
class Measured:
    """A population with what was worked out about it.

    Attributes
    ----------
    population : Population
        Without its splitter of presentations.
    ceiling : (n_units,)
        Split-half ceiling of each unit; NaN where undefined.
    rdm_ceilings : tuple of float
        Lower and upper bound on the correlation of a model's RDM with the population's; NaN where undefined.
    """

    population: Population
    ceiling: np.ndarray
    rdm_ceilings: tuple[float, float]


def run(params: Params, protocol: str) -> None:
    """Write ``data/neural/<protocol>/``.

    counts.json (recordings, units, fixations), populations.json, one ``<recording>-<area>.npy`` of mean responses
    (n_images, n_units) for each population, their read-out of the face task (decoding.csv and kernel.csv), and the
    levels of variation of all images (levels.csv).

    Raises
    ------
    DataError
        If images or recordings are missing, or there is no such protocol.
    """
    if protocol not in PROTOCOLS:
        raise DataError(f"no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    rules, settings, table = PROTOCOLS[protocol], params.compare, read_table()
    images = Images(table, variation.factors(table))
    allowed = set(compared_images(table, rules, settings))
    out = paths.NEURAL / protocol
    described, rows = [], {"decoding": [], "kernel": []}
    for population in track(populations(protocol, rules, allowed), f"neural {protocol}"):
        seed = seed_for(params.seed, population)
        ceiling = scoring.unit_ceilings(population, settings, seed)
        described.append(_described(population, ceiling, scoring.rdm_ceilings(population, settings, seed)))
        with atomic(out / f"{described[-1]['file']}") as part, part.open("wb") as file:
            np.save(file, population.responses)
        task = images.task(population, rules, settings)
        for name, found in readout.population_rows(population, task, ceiling, seed).items():
            rows[name] += found
    write_csv(out / "levels.csv", images.levels.reset_index())
    for name, columns in TABLES.items():
        write_csv(out / f"{name}.csv", pd.DataFrame(rows[name], columns=columns))
    write_json(out / "populations.json", described)
    write_json(out / "counts.json", _counts(protocol))


class Images:
    """What is known of the images, by stem.

    Parameters
    ----------
    table : DataFrame
        images.csv.
    levels : DataFrame
        `variation.factors`.
    """

    def __init__(self, table: pd.DataFrame, levels: pd.DataFrame):
        self.table, self.levels = table.set_index("stem"), levels
        self.groups: dict[str, int] = dict(zip(table["stem"], table["group"], strict=True))

    def task(self, population: Population, rules: Protocol, settings: Compare) -> readout.Task:
        """Return the face task on a population's images."""
        return readout.Task(population, self.table, self.levels, self.groups, rules, settings)


def seed_for(seed: int, population: Population) -> int:
    """Return the seed of a population: it names no model, so that all meet the same folds, halves and draws."""
    return seed_of(seed, "compare", population.recording, population.region)


def read(protocol: str) -> Iterator[Measured]:
    """Read the populations of a protocol, in their order.

    Raises
    ------
    DataError
        If the stage ``neural`` has not run, or a file of its is damaged.
    """
    folder = paths.NEURAL / protocol
    again = f"run the stage neural for {protocol}"
    try:
        described = json.loads((folder / "populations.json").read_text(encoding="utf-8"))
        for one in described:
            responses = np.load(folder / one["file"], allow_pickle=False)
            if responses.shape != (len(one["images"]), len(one["units"])):
                raise DataError(f"{folder / one['file']} has another shape than populations.json says: {again}")
            yield Measured(
                Population(
                    *(one[name] for name in ("recording", "subject", "region")),
                    *(tuple(one[name]) for name in ("units", "neuroid_ids", "images")),
                    responses,
                    None,
                ),
                np.array(one["ceiling"], dtype=np.float64),
                tuple(np.array(one["rdm_ceilings"], dtype=np.float64).tolist()),
            )
    except FileNotFoundError as error:
        raise DataError(f"{error.filename} not found: {again}") from error
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise DataError(f"{folder}: not whole ({' '.join(str(error).split())}): {again}") from error


def read_levels(protocol: str) -> pd.DataFrame:
    """Read the levels of variation of the images (`variation.factors`)."""
    return read_out(protocol, "levels", dtype=str, keep_default_na=False).set_index("stem")


def read_out(protocol: str, name: str, **how) -> pd.DataFrame:
    """Read a table of `TABLES`, the populations' read-out; `how` as in ``pandas.read_csv``."""
    path = paths.NEURAL / protocol / f"{name}.csv"
    try:
        return pd.read_csv(path, **how)
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run the stage neural for {protocol}") from error


def read_counts(protocol: str) -> dict[str, int]:
    """Read the numbers of recordings, subjects, units and fixations under a protocol."""
    path = paths.NEURAL / protocol / "counts.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise DataError(f"{path}: not found or damaged: run the stage neural for {protocol}") from error


def _counts(protocol: str) -> dict[str, int]:
    from analysis.recordings.read import all_recordings

    recordings = list(all_recordings(protocol))
    attrs = [recording.attrs for recording in recordings]
    return {
        "recordings": len(recordings),
        "subjects": len({str(one["subject"]) for one in attrs}),
        "units": int(sum(one["stable"].values.sum() for one in recordings)),
        "fixations_in_file": int(sum(one["fixations_in_file"] for one in attrs)),
        "fixations_selected": int(sum(one["fixations_selected"] for one in attrs)),
    }


def _described(population: Population, ceiling: np.ndarray, bounds: tuple[float, float]) -> dict:
    return {
        "recording": population.recording,
        "subject": population.subject,
        "region": population.region,
        "units": list(population.units),
        "neuroid_ids": list(population.neuroid_ids),
        "images": list(population.images),
        "file": f"{population.recording}-{population.region}.npy",
        "ceiling": [scoring.number(value) for value in ceiling],
        "rdm_ceilings": [scoring.number(value) for value in bounds],
    }
