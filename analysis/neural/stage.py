"""The stage ``neural``: what a comparison needs of the recordings and no model changes.

Mean responses, ceilings of units and RDMs, and the face task read out of the populations are computed once under each
protocol, then read by every comparison.
"""

import numpy as np
import pandas as pd

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.files import atomic, write_csv, write_json
from analysis.core.progress import track
from analysis.neural import readout, scoring, variation
from analysis.neural.populations import Population, compared_images, populations
from analysis.neural.read import TABLES, Images, seed_for
from analysis.params import Params
from analysis.params.protocol import PROTOCOLS
from analysis.stimuli.read import read_table


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
