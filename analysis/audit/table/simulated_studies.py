"""Simulated studies in which label and recording are confounded to a known degree, to validate the audit.

A study correlates the RDM of a face-trained network with that of a table merged over recordings by column number. One
recording shows a share s of the faces and 1 - s of the other images: at s = .5 label and recording are unrelated, at
s = 1 they coincide. In an **empty** study responses carry no information about images, only differences between
recordings; in an **informative** one units respond as strongly as published. If the audit finds that blocks carry the
correlation, that is a hit for an empty study and a false alarm for an informative one.

All sizes and strengths are drawn from ranges around what was measured in the report's table and published for the
recordings (`RANGES`). The ranges and the rule (`block_confound.BlockConfound.verdict`) were fixed before any study was
judged with the seeds that the stage passes to `judge_studies`; other seeds were used during development.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy.special import ndtri

from analysis.core.parallel import map_threads
from analysis.core.seeds import seed_of
from analysis.models.train.scoring import wilson
from analysis.statistics.block_confound import block_confound
from analysis.statistics.rsa.rdm import rdm

RANGES = {
    "images": (120, 428),  # the report compared at most its 428 test images
    "face_share": (0.25, 0.75),  # the report balanced its labels, then lost the images without data
    "recordings": (10, 17),  # blocks of the report's table: at least 10; 17 were found
    "columns": (114, 123),  # measured: in that block, and in all
    "whole_rows": (0.15, 0.3),  # recordings with all columns; measured: 22.8 % of the rows
    "measured": (0.65, 1.0),  # columns of another recording; 13.5 % of all cells are then filled (measured: 13.4)
    "variance_by_block": (0.80, 0.94),  # of a column; measured: a median of 80, 93 or 94 %, by definition of a block
    "reliability": (0.22, 0.53),  # of the rest; published: a median of .223 for one fixation, so .53 for a mean of four
    "face_units": (0.3, 0.55),  # published: 42.5 % of the units are face-selective
    "face_tuning": (0.2, 0.6),  # of the reliable variance of such a unit
    "shared_content": (0.3, 0.5),  # of the other reliable variance; published: normalised fits in AIT .33 and .43
    "accuracy": (0.75, 0.95),  # of the network; the report's: .836
}
"""Limits of the uniform distributions from which each study draws, and their sources."""
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Degrees of confound: the share of the faces that one recording shows."""
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
    """

    features: np.ndarray
    responses: np.ndarray
    label: np.ndarray
    block: np.ndarray


def simulate(share: float, informative: bool, seed: int) -> Study:
    """Draw a study.

    Parameters
    ----------
    share : float
        Share of the faces that one recording shows, .5 to 1; it shows 1 - share of the other images.
    informative : bool
        Whether units respond to images.
    seed : int
    """
    rng = np.random.default_rng(seed_of(seed, "study"))
    drawn = {name: _draw(rng, *ends) for name, ends in RANGES.items()}
    n = drawn["images"]
    label = np.zeros(n, int)
    label[rng.permutation(n)[: round(drawn["face_share"] * n)]] = 1
    block = _recordings(label, drawn["recordings"], share, rng)
    content = rng.normal(size=(n, CONTENT))
    features = _network(label, content, drawn["accuracy"], rng)
    return Study(features, _table(label, block, content, float(informative), drawn, rng), label, block)


def _draw(rng: np.random.Generator, low: float, high: float):
    return int(rng.integers(low, high + 1)) if isinstance(low, int) else float(rng.uniform(low, high))


def _recordings(label: np.ndarray, n_recordings: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return the recording of each image, (n_images,) int; sizes are very unequal, as in the report's table."""
    there = np.where(label == 1, share, 1 - share)
    elsewhere = 1 + rng.choice(n_recordings - 1, len(label), p=rng.dirichlet(np.full(n_recordings - 1, 0.5)))
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


def judge_studies(n: int, permutations: int, seed: int) -> pd.DataFrame:
    """Judge `n` empty and `n` informative studies for each of `SHARES`.

    Returns
    -------
    DataFrame
        One row per study: share, informative, study, rho, within with within_low and within_high, partial, carried,
        block_p, verdict (as in `block_confound.BlockConfound`).
    """

    def judge_one(task: tuple[float, bool, int]) -> dict:
        share, informative, number = task
        study = simulate(share, informative, seed_of(seed, str(share), informative, number))
        model, neural = rdm(study.features), rdm(study.responses)
        found = block_confound(
            *(model, neural, study.label, study.block), resampled=("within",), permutations=permutations, seed=number
        )
        low, high = found.interval("within")
        return {
            **{"share": share, "informative": informative, "study": number},
            **{"rho": found.rho, "within": found.within, "within_low": low, "within_high": high},
            **{name: getattr(found, name) for name in ("partial", "carried", "block_p", "verdict")},
        }

    tasks = list(product(SHARES, (False, True), range(n)))
    return pd.DataFrame(map_threads(judge_one, tasks, progress="simulated studies"))


def power_curve(judged: pd.DataFrame) -> pd.DataFrame:
    """Return, by share and kind of study, how often blocks are found to carry the correlation, with Wilson intervals.

    Returns
    -------
    DataFrame
        share, informative, studies, blocks with blocks_low and blocks_high, not_identifiable (shares of the studies),
        rho, within (means).
    """
    rows = []
    for (share, informative), studies in judged.groupby(["share", "informative"], sort=True):
        blocks = studies["verdict"] == "blocks"
        low, high = wilson(int(blocks.sum()), len(studies))
        rows.append(
            {
                **{"share": share, "informative": informative, "studies": len(studies)},
                **{"blocks": blocks.mean(), "blocks_low": low, "blocks_high": high},
                "not_identifiable": (studies["verdict"] == "not identifiable").mean(),
                **{name: studies[name].mean() for name in ("rho", "within")},
            }
        )
    return pd.DataFrame(rows)
