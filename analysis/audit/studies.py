"""Simulated studies with and without a confound of label and recording, on which the audit itself is tested.

A study compares a face-trained model with a table of units merged over recordings. Every recording has an offset of
its own in each column. In a clean study the images of both labels are spread over all recordings and units respond to
what the image shows; in a confounded one the faces lie in recordings of their own, and units respond to nothing.

The ranges below are not independent of the rates they give: they were changed twice, after ranges in which the planted
confound often raised no correlation had been detected less often. The rates hold for confounds that do raise one.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.audit import controls
from analysis.compare.rdm import rdm
from analysis.runtime import seed_of, track


@dataclass(frozen=True)
class Study:
    """One simulated study.

    Attributes
    ----------
    features : (n_images, n_features)
        Activations of the model.
    responses : (n_images, n_units)
        Merged table.
    label, block : (n_images,) int
    confounded : bool
        Whether the planted agreement is of blocks only.
    """

    features: np.ndarray
    responses: np.ndarray
    label: np.ndarray
    block: np.ndarray
    confounded: bool


def simulate(confounded: bool, seed: int) -> Study:
    """Draw a study; its sizes and strengths are random too.

    120-200 images (35-65 % faces), 3-6 recordings of unequal size, 40-100 units, of whose variance blocks explain
    some 50-95 %. In a confounded study 0-10 % of the images lie in a recording of the other label, so that blocks are
    not quite pure, and up to a fifth of the tuning of a clean study remains.
    """
    rng = np.random.default_rng(seed_of(seed, "study", str(confounded)))
    n, n_units = int(rng.integers(120, 201)), int(rng.integers(40, 101))
    label = (rng.random(n) < rng.uniform(0.35, 0.65)).astype(int)
    faces, others = int(rng.integers(1, 3)), int(rng.integers(2, 5))  # recordings of each, if confounded
    sizes = [rng.dirichlet(np.full(k, 2.0)) for k in (others, faces)]
    if confounded:
        shown = np.where(rng.random(n) < rng.uniform(0, 0.1), 1 - label, label)
        block = np.where(shown == 1, others + rng.choice(faces, n, p=sizes[1]), rng.choice(others, n, p=sizes[0]))
    else:
        block = rng.choice(others + faces, n, p=rng.dirichlet(np.full(others + faces, 2.0)))
    n_blocks = others + faces
    content = rng.normal(size=(n, 8))  # what an image shows beside its label
    sign = (2 * label - 1)[:, None]
    trained = sign * rng.normal(size=(1, 64)) * rng.uniform(0.6, 1.2) + content @ rng.normal(size=(8, 64)) / 3
    features = trained + rng.normal(size=(n, 64)) / 2
    tuning = rng.uniform(0, 0.2) if confounded else 1.0
    tuned = sign * rng.normal(size=(1, n_units)) * rng.uniform(0.5, 1.0) + content @ rng.normal(size=(8, n_units)) / 3
    offset = rng.normal(size=(n_blocks, n_units)) * rng.uniform(1.0, 2.5)
    responses = tuning * tuned + offset[block] + rng.normal(size=(n, n_units)) * rng.uniform(0.5, 1.0)
    return Study(features, responses, label, block, confounded)


def judge(study: Study, n_shuffles: int, seed: int) -> tuple[controls.Shuffled, str]:
    """Run the controls on a study and say what carries its correlation."""
    found = controls.shuffle(rdm(study.features), rdm(study.responses), study.label, study.block, n_shuffles, seed)
    return found, controls.verdict(found)


def rates(n: int, n_shuffles: int, seed: int) -> pd.DataFrame:
    """Judge `n` confounded and `n` clean studies.

    Returns
    -------
    DataFrame
        One row per study: study, confounded, rho, left_block, left_label, left_both (means over shuffles), verdict,
        flagged (verdict is ``block``).
    """
    rows = []
    for number in track(range(2 * n), "simulated studies"):
        study = simulate(number < n, seed_of(seed, number))
        found, said = judge(study, n_shuffles, seed_of(seed, "judge", number))
        rows.append(
            {
                "study": number,
                "confounded": study.confounded,
                "rho": found.rho,
                "left_block": float(found.left["block"].mean()),
                "left_label": float(found.left["label"].mean()),
                "left_both": float(found.left["label and block"].mean()),
                "verdict": said,
                "flagged": said == "block",
            }
        )
    return pd.DataFrame(rows)
