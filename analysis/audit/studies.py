"""Simulated studies with and without a confound of label and recording, on which the audit itself is tested.

A study correlates the RDM of a face-trained network with that of a table merged over recordings by column number.

A **clean** study shows faces and other images in all recordings alike. A **confounded** one shows nearly all faces in
one recording and other images in the others, so that which recording a row comes from tells its label. Nothing else
sets the two kinds apart: recordings differ from each other, cells are filled and units respond in the same way, but for
a confounded study's responses to images, which are anything from absent to as strong as in a clean study.

All sizes and strengths are drawn from ranges around what was measured on the report's table and published for the
recordings (`RANGES`). They were fixed, and so was the rule (`controls.verdict`), before any study was judged with the
seeds that `rates` is given by the stage; while the code was written, other seeds were used.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from analysis.audit import controls
from analysis.core.parallel import map_threads
from analysis.core.seeds import seed_of
from analysis.statistics.rsa.rdm import rdm

RANGES = {
    "images": (120, 428),  # the report compared at most its 428 test images
    "face_share": (0.25, 0.75),  # as in the samples of a table that are audited (tables.SHARES)
    "recordings": (10, 17),  # blocks of the report's table: at least 10, 17 found
    "face_recording": (0.9, 1.0),  # of the faces; measured: 488 of 506 in one block
    "others_there": (0.0, 0.05),  # of the other images; measured: none
    "columns": (114, 123),  # measured in that block; in all
    "whole_rows": (0.15, 0.3),  # recordings with all columns; measured: 22.8 % of the rows
    "measured": (0.65, 1.0),  # columns of another recording; together 13.5 % of the cells are filled (measured: 13.4)
    "variance_by_block": (0.80, 0.94),  # of a column; measured: a median of 80, 93 or 94 %, by what counts as a block
    "reliability": (0.22, 0.53),  # of the rest; published: one fixation's median .223, so .53 for a mean of four
    "face_units": (0.3, 0.55),  # published: 42.5 % of the units are face-selective
    "face_tuning": (0.2, 0.6),  # of the reliable variance of such a unit
    "shared_content": (0.3, 0.5),  # of the other reliable variance; published: normalised fits in AIT .33 and .43
    "accuracy": (0.75, 0.95),  # of the network; the report's: .836
}
"""Ends of the uniform distributions from which each study draws, and where they come from."""
FEATURES, CONTENT = 64, 8
"""Features of the network, and dimensions of what images show beside their label."""


@dataclass(frozen=True)
class Study:
    """One simulated study.

    Attributes
    ----------
    features : (n_images, n_features)
        Activations of the network.
    responses : (n_images, n_columns)
        Merged table, its empty cells filled with the column's mean.
    label, block : (n_images,) int
        1 face, 0 other; recording.
    confounded : bool
    """

    features: np.ndarray
    responses: np.ndarray
    label: np.ndarray
    block: np.ndarray
    confounded: bool


def simulate(confounded: bool, seed: int) -> Study:
    """Draw a study."""
    rng = np.random.default_rng(seed_of(seed, "study", "confounded" if confounded else "clean"))
    drawn = {name: _draw(rng, *ends) for name, ends in RANGES.items()}
    n = drawn["images"]
    label = np.zeros(n, int)
    label[rng.permutation(n)[: round(drawn["face_share"] * n)]] = 1
    block = _recordings(label, drawn, confounded, rng)
    content = rng.normal(size=(n, CONTENT))
    strength = rng.uniform(0, 1) if confounded else 1.0
    features = _network(label, content, drawn["accuracy"], rng)
    return Study(features, _table(label, block, content, strength, drawn, rng), label, block, confounded)


def _draw(rng: np.random.Generator, low: float, high: float):
    return int(rng.integers(low, high + 1)) if isinstance(low, int) else float(rng.uniform(low, high))


def _recordings(label: np.ndarray, drawn: dict, confounded: bool, rng: np.random.Generator) -> np.ndarray:
    """Return the recording of each image; recordings are of very unequal size, as in the report's table."""
    k = drawn["recordings"]
    if not confounded:
        return rng.choice(k, len(label), p=rng.dirichlet(np.full(k, 0.5)))
    there = np.where(label == 1, drawn["face_recording"], drawn["others_there"])
    elsewhere = 1 + rng.choice(k - 1, len(label), p=rng.dirichlet(np.full(k - 1, 0.5)))
    return np.where(rng.random(len(label)) < there, 0, elsewhere)


def _network(label: np.ndarray, content: np.ndarray, accuracy: float, rng: np.random.Generator) -> np.ndarray:
    """Return features of a network whose best readout of the label is right in the given share of images.

    On the axis of the label, faces and others lie 2 ndtri(accuracy) standard deviations apart. Content has, over all
    its dimensions, the variance of the noise on that axis.
    """
    axis = ndtri(accuracy) * (2 * label - 1) + rng.normal(size=len(label))
    latent = np.column_stack([axis, content / np.sqrt(CONTENT)])
    return latent @ rng.normal(size=(latent.shape[1], FEATURES))


def _table(label, block, content, strength: float, drawn: dict, rng: np.random.Generator) -> np.ndarray:
    """Return the merged table: offsets of recordings, responses to images and noise, each of its share of variance."""
    n, columns = len(label), drawn["columns"]
    selective = rng.random(columns) < drawn["face_units"]
    by_label = np.where(selective, rng.uniform(*RANGES["face_tuning"], size=columns), 0.0)
    shared = (1 - by_label) * drawn["shared_content"]
    reliable = strength * drawn["reliability"]
    faces = (label - label.mean()) / label.std()
    tuned = (
        np.sqrt(by_label) * rng.choice([-1, 1], columns) * faces[:, None]
        + np.sqrt(shared) * (content @ rng.normal(size=(CONTENT, columns)) / np.sqrt(CONTENT))
        + np.sqrt(1 - by_label - shared) * rng.normal(size=(n, columns))  # images' own, unknown to the network
    )
    within = np.sqrt(reliable) * tuned + np.sqrt(1 - reliable) * rng.normal(size=(n, columns))
    offset = rng.normal(size=(block.max() + 1, columns))[block]
    offset = (offset - offset.mean(axis=0)) / np.maximum(offset.std(axis=0), 1e-12)
    between = drawn["variance_by_block"]
    values = np.sqrt(between) * offset + np.sqrt(1 - between) * within
    whole = rng.random(block.max() + 1) < drawn["whole_rows"]
    measured = np.where(whole, columns, np.rint(columns * rng.uniform(*RANGES["measured"], size=len(whole))))
    values[np.arange(columns) >= measured[block][:, None]] = np.nan
    values = values[:, np.isfinite(values).any(axis=0)]
    return np.where(np.isnan(values), np.nanmean(values, axis=0), values)


def judge(study: Study, n_shuffles: int, seed: int) -> tuple[controls.Shuffled, str]:
    """Run the controls on a study and say what carries its correlation."""
    model, neural = rdm(study.features), rdm(study.responses)
    found = controls.shuffle(model, neural, study.label, study.block, n_shuffles, seed, ("nothing",))
    return found, controls.verdict(found)


def rates(n: int, n_shuffles: int, seed: int) -> pd.DataFrame:
    """Judge `n` confounded and `n` clean studies.

    Returns
    -------
    DataFrame
        One row per study: study, confounded, rho, left_block, left_label, left_both (means over all shuffles),
        block_p, verdict, flagged (verdict is ``block``).
    """

    def one(number: int) -> dict:
        study = simulate(number < n, seed_of(seed, number))
        found, said = judge(study, n_shuffles, seed_of(seed, "judge", number))
        return {
            "study": number,
            "confounded": study.confounded,
            "rho": found.rho,
            "left_block": found.mean["block"],
            "left_label": found.mean["label"],
            "left_both": found.mean["label and block"],
            "block_p": found.block_p,
            "verdict": said,
            "flagged": said == "block",
        }

    return pd.DataFrame(map_threads(one, range(2 * n), progress="simulated studies"))
