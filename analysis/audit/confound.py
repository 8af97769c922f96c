"""The block confound alone, planted in otherwise corrected recordings."""

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.audit import controls
from analysis.audit.ladder import DRAWS, SMALL, TRAINED, Ladder, Seen, defined, image_draws
from analysis.audit.tables import row_rdm
from analysis.core.seeds import seed_of
from analysis.neural import scoring
from analysis.params.protocol import CORRECTED
from analysis.statistics.inference import percentile_interval
from analysis.statistics.rsa.rdm import rdm

COLUMNS = [
    *["join", "table", "recordings", "seed", "images", "rho", "low", "high"],
    *["left_block", "left_low", "left_high", "left_both", "p_value", "block_p", "flagged"],
]


def confound(ladder: Ladder, n_seeds: int) -> pd.DataFrame:
    """Plant the block confound alone in otherwise corrected recordings, and run the controls.

    Of each pair of recordings of the area, one table takes its faces from the first and its other images from the
    second, columns merged by number. Beside it, each recording as it is. Both under the corrected join and under the
    report's, which leaves no information on single images.

    Returns
    -------
    DataFrame
        One row per join, table and seed: join, table (``merged`` or ``single``), recordings, images, rho with its
        bootstrap interval over images (low, high), left_block (mean over all shuffles) with the percentiles of random
        ones (left_low, left_high), left_both, p_value (all images shuffled), block_p (`controls.block_test`), flagged.
        No ``merged`` rows where the area has one recording only, or too few images of a label.
    """
    rows = []
    for join in ("trial_id", "row"):
        rules = replace(CORRECTED, join=join)
        tables: list[tuple[str, str, dict]] = []
        found = ladder.populations(rules)
        for first in found:
            tables.append(("single", first.recording, {"all": first}))
            for second in found:
                if first is not second:
                    name = f"{first.recording}+{second.recording}"
                    tables.append(("merged", name, {"face": first, "non-face": second}))
        # The trained model of the corrected protocol where there is one; it is one network, whatever the seed.
        trained = ladder.network(rules, 0, TRAINED)
        for seed in range(n_seeds if trained is None else 1):
            network = trained or ladder.network(rules, seed, SMALL)
            for kind, name, parts in tables:
                row = _confounded(parts, network, ladder.values.shuffles, seed_of(seed, join, name))
                if row is not None:
                    rows.append({"join": join, "table": kind, "recordings": name, "seed": seed, **row})
    return pd.DataFrame(rows, columns=COLUMNS)


def _confounded(parts: dict, network: Seen, n_shuffles: int, seed: int) -> dict | None:
    labels = network.labels
    width = min(len(one.units) for one in parts.values())
    wanted = {"face": (1,), "non-face": (0,), "all": (0, 1)}
    values, label, block, images = [], [], [], []
    for name, one in parts.items():
        rows = [k for k, image in enumerate(one.images) if labels[image] in wanted[name]]
        values.append(one.responses[rows][:, :width])
        images += [one.images[k] for k in rows]
        label += [labels[one.images[k]] for k in rows]
        block += [one.recording] * len(rows)
    place = {stem: k for k, stem in enumerate(network.stems)}
    if min(map(len, values)) < scoring.LEAST_IMAGES or width < scoring.LEAST_UNITS:
        return None
    features = network.top[[place[image] for image in images]]
    neural, model, keep = defined(row_rdm(np.concatenate(values)), rdm(features, "correlation"))
    if len(keep) < scoring.LEAST_IMAGES:
        return None
    found = controls.shuffle(
        model, neural, np.array(label)[keep], np.array(block)[keep], n_shuffles, seed, ("nothing", "block")
    )
    low, high = percentile_interval(image_draws(model, neural, DRAWS, seed_of(seed, "images")))
    left_low, left_high = found.interval("block")
    return {
        "images": len(keep),
        "rho": found.rho,
        "low": low,
        "high": high,
        "left_block": found.mean["block"],
        "left_low": left_low,
        "left_high": left_high,
        "left_both": found.mean["label and block"],
        "p_value": found.p_value("nothing"),
        "block_p": found.block_p,
        "flagged": controls.verdict(found) == "block",
    }
