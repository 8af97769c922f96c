"""The block confound by itself: label and recording are confounded in otherwise corrected recordings."""

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.audit.protocol_steps.inputs import Inputs
from analysis.audit.protocol_steps.network_outputs import NetworkOutput
from analysis.audit.protocol_steps.scores import DRAWS, SMALL, TRAINED, bootstrap_rho, network_for, populations
from analysis.audit.table import rdm_controls
from analysis.audit.table.rdms import drop_undefined_images, row_rdm
from analysis.core.seeds import seed_of
from analysis.neural import scoring
from analysis.neural.populations import Population
from analysis.params.protocol import CORRECTED
from analysis.statistics.inference import percentile_interval
from analysis.statistics.rsa.rdm import rdm

COLUMNS = [
    *["join", "table", "recordings", "seed", "images", "rho", "low", "high"],
    *["left_block", "left_low", "left_high", "left_both", "p_value", "block_p", "flagged"],
]
LABELS = {"face": (1,), "non-face": (0,), "all": (0, 1)}
"""Labels of the images that a table takes from a recording."""


def score_confounded_tables(inputs: Inputs, n_seeds: int) -> pd.DataFrame:
    """Confound label and recording in otherwise corrected recordings, and run the controls.

    For each ordered pair of the area's recordings, a table takes its faces from the first and its other images from
    the second, and merges columns by number. Each single recording, unchanged, serves for comparison. Both kinds of
    table are scored under the corrected trial join and under the report's, which leaves no information about single
    images.

    Returns
    -------
    DataFrame
        One row per join, table and seed: join, table (``merged`` or ``single``), recordings, images, rho with its
        bootstrap interval over images (low, high), left_block (mean over all shuffles within blocks) with the
        percentiles of random shuffles (left_low, left_high), left_both (the mean within label and block), p_value (all
        images shuffled), block_p (`rdm_controls.block_test`), flagged (the verdict is that blocks carry the
        correlation). There are no ``merged`` rows if the area has a single recording, or too few images of a label.
    """
    rows = []
    for join in ("trial_id", "row"):
        protocol = replace(CORRECTED, join=join)
        tables = _pair_recordings(populations(inputs, protocol))
        # The trained model of the corrected protocol where there is one: a single network, whatever the seed.
        trained = network_for(inputs, protocol, 0, TRAINED)
        for seed in range(n_seeds if trained is None else 1):
            network = trained or network_for(inputs, protocol, seed, SMALL)
            for kind, name, sources in tables:
                row = _score_table(sources, network, inputs.params.audit.shuffles, seed_of(seed, join, name))
                if row is not None:
                    rows.append({"join": join, "table": kind, "recordings": name, "seed": seed, **row})
    return pd.DataFrame(rows, columns=COLUMNS)


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


def _score_table(sources: dict[str, Population], network: NetworkOutput, n_shuffles: int, seed: int) -> dict | None:
    """Return one row of the table; None where it has too few images or units."""
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
    shuffled = rdm_controls.shuffle(
        model, neural, np.array(label)[keep], np.array(block)[keep], n_shuffles, seed, ("nothing", "block")
    )
    low, high = percentile_interval(bootstrap_rho(model, neural, DRAWS, seed_of(seed, "images")))
    left_low, left_high = shuffled.interval("block")
    return {
        "images": len(keep),
        "rho": shuffled.rho,
        "low": low,
        "high": high,
        "left_block": shuffled.mean["block"],
        "left_low": left_low,
        "left_high": left_high,
        "left_both": shuffled.mean["label and block"],
        "p_value": shuffled.p_value("nothing"),
        "block_p": shuffled.block_p,
        "flagged": rdm_controls.verdict(shuffled) == "block",
    }


def summarise(table: pd.DataFrame) -> dict:
    """Return means and percentile intervals over tables and seeds, for each join and kind of table."""
    summary: dict = {}
    for (join, kind), rows in table.groupby(["join", "table"], sort=True):
        low, high = percentile_interval(rows["rho"].to_numpy(float))
        left_low, left_high = percentile_interval(rows["left_block"].to_numpy(float))
        summary.setdefault(str(join), {})[str(kind)] = {
            "tables": len(rows),
            "rho": rows["rho"].mean(),
            "low": low,
            "high": high,
            "left_block": rows["left_block"].mean(),
            "left_low": left_low,
            "left_high": left_high,
            "flagged": rows["flagged"].astype(float).mean(),
        }
    return summary
