"""The stage ``neural``: everything a comparison needs from the recordings that does not depend on a model.

Mean responses, ceilings of units and RDMs, and the populations' read-out of the task are computed once for each
protocol and used by every comparison.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
import xarray as xr

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.files import write_csv, write_json, write_npy
from analysis.core.progress import track
from analysis.neural import readout, scoring, variation
from analysis.neural.populations import Population, compared_images, populations_of
from analysis.neural.read import TABLES, Images, seed_for
from analysis.params import Params
from analysis.params.protocol import PROTOCOLS
from analysis.recordings.read import all_recordings
from analysis.stimuli.read import read_table


def run(params: Params, protocol: str) -> None:
    """Write ``data/neural/<protocol>/``.

    The numbers of recordings, units and fixations (counts.json); the populations (populations.json) with their mean
    responses, (n_images, n_units), each in ``<recording>-<area>.npy``; their read-out of the task (decoding.csv,
    kernel.csv, learning.csv); and the levels of variation of all images (levels.csv).

    Raises
    ------
    DataError
        If images or recordings are missing, or there is no such protocol.
    """
    if protocol not in PROTOCOLS:
        raise DataError(f"unknown protocol {protocol!r}; choose {' or '.join(PROTOCOLS)}")
    rules, settings, table = PROTOCOLS[protocol], params.compare, read_table()
    images = Images(table, variation.assign_levels(table))
    allowed = set(compared_images(table, rules, settings))
    out = paths.NEURAL / protocol
    entries, rows, counts = [], {name: [] for name in TABLES}, Counter()
    recordings = _counted(all_recordings(protocol, stable_only=True), counts)
    for population in track(populations_of(recordings, rules, allowed), f"neural {protocol}"):
        seed = seed_for(params.seed, population)
        ceiling = scoring.unit_ceilings(population)
        entry = _describe(population, ceiling, scoring.rdm_ceilings(population, rules, settings, seed))
        entries.append(entry)
        write_npy(out / entry["file"], population.responses)
        task = images.task(population, rules, settings)
        for name, new_rows in readout.population_rows(population, task, ceiling, seed).items():
            rows[name] += new_rows
    write_csv(out / "levels.csv", images.levels.reset_index())
    for name, columns in TABLES.items():
        write_csv(out / f"{name}.csv", pd.DataFrame(rows[name], columns=columns))
    write_json(out / "populations.json", entries)
    write_json(out / "counts.json", dict(counts))


def _counted(recordings: Iterable[xr.Dataset], counts: Counter) -> Iterator[xr.Dataset]:
    """Yield recordings, and count them, their subjects, stable units and fixations."""
    subjects = set()
    for recording in recordings:
        subjects.add(str(recording.attrs["subject"]))
        counts["recordings"] += 1
        counts["subjects"] = len(subjects)
        counts["units"] += recording.sizes["unit"]
        for name in ("fixations_in_file", "fixations_selected"):
            counts[name] += int(recording.attrs[name])
        yield recording


def _describe(population: Population, ceiling: np.ndarray, bounds: tuple[float, float]) -> dict:
    """Return the entry of a population in populations.json."""
    return {
        "recording": population.recording,
        "subject": population.subject,
        "region": population.region,
        "units": list(population.units),
        "neuroid_ids": list(population.neuroid_ids),
        "images": list(population.images),
        "file": f"{population.recording}-{population.region}.npy",
        "ceiling": [scoring.number(unit) for unit in ceiling],
        "rdm_ceilings": [scoring.number(bound) for bound in bounds],
    }
