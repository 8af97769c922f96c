"""The block confound in isolation: label and recording coincide in otherwise corrected recordings."""

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.audit.protocol_steps.inputs import Inputs
from analysis.audit.protocol_steps.network_outputs import NetworkOutput
from analysis.audit.protocol_steps.scores import populations, small_network
from analysis.audit.table.rdms import drop_undefined_images, row_rdm
from analysis.core.parallel import map_threads
from analysis.core.seeds import seed_of
from analysis.neural import scoring
from analysis.neural.populations import Population
from analysis.params.protocol import CORRECTED
from analysis.statistics.block_confound import block_confound
from analysis.statistics.inference import percentile_interval
from analysis.statistics.rsa.rdm import rdm

COLUMNS = [
    *["join", "table", "recordings", "seed", "images", "rho", "rho_low", "rho_high"],
    *["within", "within_low", "within_high", "p_value", "block_p", "verdict"],
]
LABELS = {"face": (1,), "non-face": (0,), "all": (0, 1)}
"""Labels of the images that a table takes from a recording."""


def score_confounded_tables(inputs: Inputs, n_seeds: int) -> pd.DataFrame:
    """Confound label and recording in otherwise corrected recordings, and test what remains within recordings.

    For each ordered pair of the area's recordings, a table takes its faces from the first and its other images from
    the second, and merges columns by number. Each single recording, unchanged, serves as a control. Both kinds of
    table are scored under the corrected trial join and under the report's, which leaves no information about single
    images.

    Returns
    -------
    DataFrame
        One row per join, table and seed (`COLUMNS`): join, table (``merged`` or ``single``), recordings, seed of the
        small network, images, and rho, within (with bootstrap intervals over images), p_value, block_p and verdict as
        in `block_confound.BlockConfound`. There are no ``merged`` rows if the area has a single recording, or too few
        images of a label.
    """
    tasks = []
    for join in ("trial_id", "row"):
        protocol = replace(CORRECTED, join=join)
        tables = _pair_recordings(populations(inputs, protocol))
        for seed in range(n_seeds):
            network = small_network(inputs, protocol, seed)
            tasks += [(join, kind, name, seed, sources, network) for kind, name, sources in tables]

    def score(task) -> dict | None:
        join, kind, name, seed, sources, network = task
        row = _score_table(sources, network, inputs.params.audit.shuffles, seed_of(seed, join, name))
        return row and {"join": join, "table": kind, "recordings": name, "seed": seed, **row}

    rows = map_threads(score, tasks, progress="confounded tables")
    return pd.DataFrame([row for row in rows if row], columns=COLUMNS)


def _pair_recordings(found: list[Population]) -> list[tuple[str, str, dict[str, Population]]]:
    """Return kind, name and sources (by `LABELS`) of each table: every recording, alone and paired with each other."""
    tables: list[tuple[str, str, dict[str, Population]]] = []
    for first in found:
        tables.append(("single", first.recording, {"all": first}))
        for second in found:
            if first is not second:
                name = f"{first.recording}+{second.recording}"
                tables.append(("merged", name, {"face": first, "non-face": second}))
    return tables


def _score_table(sources: dict[str, Population], network: NetworkOutput, shuffles: int, seed: int) -> dict | None:
    """Return the scores of one table; None if it has too few images or units."""
    labels = network.labels
    n_units = min(len(population.units) for population in sources.values())
    values, label, block, images = [], [], [], []
    for name, population in sources.items():
        rows = [k for k, image in enumerate(population.images) if labels[image] in LABELS[name]]
        values.append(population.responses[rows][:, :n_units])
        images += [population.images[k] for k in rows]
        label += [labels[population.images[k]] for k in rows]
        block += [population.recording] * len(rows)
    if min(map(len, values)) < scoring.LEAST_IMAGES or n_units < scoring.LEAST_UNITS:
        return None
    row_of = {stem: row for row, stem in enumerate(network.stems)}
    features = network.top[[row_of[image] for image in images]]
    (neural, model), keep = drop_undefined_images(row_rdm(np.concatenate(values)), rdm(features, "correlation"))
    if len(keep) < scoring.LEAST_IMAGES:
        return None
    here = np.array(label)[keep], np.array(block)[keep]
    found = block_confound(model, neural, *here, resampled=("rho", "within"), permutations=shuffles, seed=seed)
    row: dict = {"images": len(keep)}
    for name in ("rho", "within"):
        low, high = found.interval(name)
        row |= {name: getattr(found, name), f"{name}_low": low, f"{name}_high": high}
    return row | {name: getattr(found, name) for name in ("p_value", "block_p", "verdict")}


def summarise(table: pd.DataFrame) -> dict:
    """Return means and percentile intervals over tables and seeds, for each join and kind of table."""
    summary: dict = {}
    for (join, kind), rows in table.groupby(["join", "table"], sort=True):
        numbers = {"tables": len(rows)}
        for name in ("rho", "within"):
            low, high = percentile_interval(rows[name].to_numpy(float))
            numbers |= {name: rows[name].mean(), f"{name}_low": low, f"{name}_high": high}
        summary.setdefault(str(join), {})[str(kind)] = numbers
    return summary
