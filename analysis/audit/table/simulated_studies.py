"""Simulated studies with and without a confound of label and recording, on which the audit's rule is validated.

A study correlates the RDM of a face-trained network with that of a table merged over recordings by column number.

In a **clean** study, faces and other images are shown in all recordings alike. In a **confounded** study, nearly all
faces are shown in one recording and the other images in the others, so that the recording of a row predicts its label.
The two kinds differ in nothing else: recordings differ from each other, cells are filled and units respond in the same
way, except that the responses to images in a confounded study may be anything from absent to as strong as in a clean
one.

All sizes and strengths are drawn from ranges around what was measured in the report's table and published for the
recordings (`RANGES`). The ranges and the rule (`rdm_controls.verdict`) were fixed before any study was judged with the
seeds that the stage passes to `judge_studies`; other seeds were used during development.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from analysis.audit.table import rdm_controls
from analysis.core.parallel import map_threads
from analysis.core.seeds import seed_of
from analysis.models.train.scoring import wilson
from analysis.statistics.rsa.rdm import rdm

RANGES = {
    "images": (120, 428),  # the report compared at most its 428 test images
    "face_share": (0.25, 0.75),  # as in the samples of an audited table (control_table.SHARES)
    "recordings": (10, 17),  # blocks of the report's table: at least 10; 17 were found
    "face_recording": (0.9, 1.0),  # of the faces; measured: 488 of 506 in one block
    "others_there": (0.0, 0.05),  # of the other images; measured: none
    "columns": (114, 123),  # measured: in that block, and in all
    "whole_rows": (0.15, 0.3),  # recordings with all columns; measured: 22.8 % of the rows
    "measured": (0.65, 1.0),  # columns of another recording; 13.5 % of all cells are then filled (measured: 13.4)
    "variance_by_block": (
        0.80,
        0.94,
    ),  # of a column; measured: a median of 80, 93 or 94 %, by definition of a block
    "reliability": (0.22, 0.53),  # of the rest; published: a median of .223 for one fixation, so .53 for a mean of four
    "face_units": (0.3, 0.55),  # published: 42.5 % of the units are face-selective
    "face_tuning": (0.2, 0.6),  # of the reliable variance of such a unit
    "shared_content": (0.3, 0.5),  # of the other reliable variance; published: normalised fits in AIT .33 and .43
    "accuracy": (0.75, 0.95),  # of the network; the report's: .836
}
"""Limits of the uniform distributions from which each study draws, and their sources."""
FEATURES, CONTENT = 64, 8
"""Features of the network, and dimensions of image content besides the label."""


@dataclass(frozen=True)
class Study:
    """One simulated study.

    Attributes
    ----------
    features : (n_images, n_features)
        Activations of the network.
    responses : (n_images, n_columns)
        Merged table, with empty cells filled with the column mean.
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
    """Return the recording of each image, (n_images,) int; sizes are very unequal, as in the report's table."""
    k = drawn["recordings"]
    if not confounded:
        return rng.choice(k, len(label), p=rng.dirichlet(np.full(k, 0.5)))
    there = np.where(label == 1, drawn["face_recording"], drawn["others_there"])
    elsewhere = 1 + rng.choice(k - 1, len(label), p=rng.dirichlet(np.full(k - 1, 0.5)))
    return np.where(rng.random(len(label)) < there, 0, elsewhere)


def _network(label: np.ndarray, content: np.ndarray, accuracy: float, rng: np.random.Generator) -> np.ndarray:
    """Return features (n_images, FEATURES) of a network whose best read-out of the label has the given accuracy.

    Along the label axis, the means of faces and others are 2 ndtri(accuracy) standard deviations apart. The variance of
    content, summed over its dimensions, equals that of the noise along this axis.
    """
    axis = ndtri(accuracy) * (2 * label - 1) + rng.normal(size=len(label))
    latent = np.column_stack([axis, content / np.sqrt(CONTENT)])
    return latent @ rng.normal(size=(latent.shape[1], FEATURES))


def _table(label, block, content, strength: float, drawn: dict, rng: np.random.Generator) -> np.ndarray:
    """Return the merged table: recording offsets, responses to images and noise, each with its share of variance."""
    n, columns = len(label), drawn["columns"]
    selective = rng.random(columns) < drawn["face_units"]
    by_label = np.where(selective, rng.uniform(*RANGES["face_tuning"], size=columns), 0.0)
    shared = (1 - by_label) * drawn["shared_content"]
    reliable = strength * drawn["reliability"]
    faces = (label - label.mean()) / label.std()
    tuned = (
        np.sqrt(by_label) * rng.choice([-1, 1], columns) * faces[:, None]
        + np.sqrt(shared) * (content @ rng.normal(size=(CONTENT, columns)) / np.sqrt(CONTENT))
        + np.sqrt(1 - by_label - shared) * rng.normal(size=(n, columns))  # not shared with the network
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


def judge(study: Study, n_shuffles: int, seed: int) -> tuple[rdm_controls.Shuffled, str]:
    """Run the controls on a study; return them and the verdict."""
    model, neural = rdm(study.features), rdm(study.responses)
    shuffled = rdm_controls.shuffle(model, neural, study.label, study.block, n_shuffles, seed, ("nothing",))
    return shuffled, rdm_controls.verdict(shuffled)


def judge_studies(n: int, n_shuffles: int, seed: int) -> pd.DataFrame:
    """Judge `n` confounded and `n` clean studies.

    Returns
    -------
    DataFrame
        One row per study: study, confounded, rho, left_block, left_label, left_both (means over all shuffles),
        block_p, verdict, flagged (the verdict is ``block``).
    """

    def judge_one(number: int) -> dict:
        study = simulate(number < n, seed_of(seed, number))
        shuffled, verdict = judge(study, n_shuffles, seed_of(seed, "judge", number))
        return {
            "study": number,
            "confounded": study.confounded,
            "rho": shuffled.rho,
            "left_block": shuffled.mean["block"],
            "left_label": shuffled.mean["label"],
            "left_both": shuffled.mean["label and block"],
            "block_p": shuffled.block_p,
            "verdict": verdict,
            "flagged": verdict == "block",
        }

    return pd.DataFrame(map_threads(judge_one, range(2 * n), progress="simulated studies"))


def summarise(judged: pd.DataFrame) -> dict:
    """Return the shares of confounded and clean studies that the audit flags, with Wilson intervals."""
    summary: dict = {"of_each": len(judged) // 2}
    for kind, share in (("confounded", "detected"), ("clean", "false_alarms")):
        rows = judged[judged["confounded"] == (kind == "confounded")]
        low, high = wilson(int(rows["flagged"].sum()), len(rows))
        summary |= {share: rows["flagged"].mean(), f"{share}_low": low, f"{share}_high": high}
        summary |= {f"rho_{kind}": rows["rho"].mean(), f"left_{kind}": rows["left_block"].mean()}
    return summary
