"""Intervals and contrasts of RDM comparisons over images, and over recordings where there are enough."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.core.errors import DataError
from analysis.core.numerics import THREADS
from analysis.core.parallel import map_threads
from analysis.statistics.inference.intervals import mean_rows
from analysis.statistics.inference.predictions import describe_draws, draw_counts, draw_rows, label_rows, take
from analysis.statistics.inference.two_factor import FIXED, Factor, ScoreDraws
from analysis.statistics.keys import check_number, of_images
from analysis.statistics.rsa.bootstrap import BLOCK_ENTRIES, RANKED, Comparison
from analysis.statistics.rsa.rdm import RDM


def rsa_draws(
    models: Mapping[str, Sequence[RDM]],
    data: Sequence[RDM],
    method: str = "spearman",
    *,
    groups: Mapping[str, object] | None = None,
    clusters: Sequence | None = None,
    n_draws: int = 1000,
    seed: int = 0,
    threads: int = THREADS,
) -> dict[str, ScoreDraws]:
    """Draw images and compare the RDMs of models with those of recordings in each draw.

    The score is the mean over recordings. Without `clusters`, inference is about *these recordings* and only images are
    drawn; with `clusters`, whole recordings or monkeys are drawn too. As in rsatoolbox, pairs of an image with itself
    are left out (Schuett et al. 2023); so are pairs of two copies of one near-duplicate group.

    Parameters
    ----------
    models : mapping from name to sequence of RDM
        One RDM per recording, over its images; joined by image key.
    data : sequence of RDM
        One per recording. Pairs of images undefined in any model or in the recording are left out for all models.
    method : {"spearman", "rho-a"}
    groups : mapping from image to group, optional
        Near-duplicate group of each image, drawn together. Default: each image is its own group. Images with the same
        key (or, without keys, at the same position) are drawn together in all recordings.
    clusters : (n_recordings,) sequence, optional
        Recording or monkey of each data RDM, at least `LEAST_CLUSTERS` distinct ones.
    n_draws, seed : int
        Models scored on the same images with the same seed get the same draws.
    threads : int
        Number of threads; does not change the result.

    Returns
    -------
    dict from name to ScoreDraws
        For `ScoreDraws.interval` and `contrast`; NaN where no comparison is defined.

    Raises
    ------
    DataError
        If the method is unknown, a model does not have one RDM per recording, an image has no group, there are too few
        clusters, or RDMs are not comparable (`compare_rdms`).

    Examples
    --------
    >>> import numpy as np
    >>> from analysis.statistics import contrast, rdm
    >>> rng = np.random.default_rng(0)
    >>> features = rng.normal(size=(30, 30))
    >>> monkeys = [rdm(features + rng.normal(size=(30, 30))) for _ in range(3)]
    >>> near, far = (rdm(features + sd * rng.normal(size=(30, 30))) for sd in (0.5, 3.0))
    >>> draws = rsa_draws({"near": [near] * 3, "far": [far] * 3}, monkeys, n_draws=200)
    >>> interval = draws["near"].interval()
    >>> 0 < interval.low < interval.estimate < interval.high < 1
    True
    >>> contrast(draws["near"], draws["far"]).p < 0.01
    True
    """
    if method not in RANKED:
        raise DataError(f"method={method!r}; give {' or '.join(RANKED)}")
    if not models or not data:
        raise DataError("no RDM to compare: give at least one model and one data RDM")
    check_number("n_draws", n_draws, 0)
    for name, rdms in models.items():
        if len(rdms) != len(data):
            raise DataError(f"model {name!r} has {len(rdms)} RDMs for {len(data)} recordings; give one for each")
    tasks = [
        Comparison([*(rdms[k] for rdms in models.values()), one], len(models), method, False, threads)
        for k, one in enumerate(data)
    ]
    labels, places = label_rows([_labels(task.images, task.n_images, groups) for task in tasks])
    counts = draw_counts(len(labels), n_draws, seed)
    compared = [
        _compare(task, np.concatenate([np.ones((1, task.n_images)), counts[:, at]]), at, threads)
        for task, at in zip(tasks, places, strict=True)
    ]
    scores = np.stack(compared, axis=-1)  # (1 + n_draws, n_models, n_recordings)
    found = {}
    for number, name in enumerate(models):
        defined = np.isfinite(scores[0, number])
        observed, drawn = scores[:1, number, defined], scores[1:, number, defined]
        if clusters is None:
            index, factor = np.tile(np.arange(defined.sum()), (n_draws, 1)), FIXED
        else:
            index, factor = draw_rows(defined.astype(int), clusters, n_draws, seed)
        found[name] = ScoreDraws(
            estimate=float(mean_rows(observed)[0]),
            units=mean_rows(take(np.broadcast_to(observed, drawn.shape), index)),
            images=mean_rows(drawn),
            both=mean_rows(take(drawn, index)),
            n_units=int(defined.sum()),
            n_images=len(labels),
            factors=(factor, Factor.clusters(np.bincount(np.concatenate(places)))),
            design=describe_draws("RDMs", defined, labels, n_draws, seed, clusters),
        )
    return found


def _labels(images, n_images: int, groups: Mapping | None) -> np.ndarray:
    """Return the group of each image of a recording, (n_images,) str."""
    keys = [str(row) for row in range(n_images)] if images is None else images
    if groups is None:
        return np.array(keys)
    return of_images("groups", groups, keys).astype(str)


def _compare(task: Comparison, counts: np.ndarray, group: np.ndarray, threads: int) -> np.ndarray:
    """Compare the models' RDMs with one recording's in every draw: (n_draws, n_images) to (n_draws, n_models).

    Two images of a group drawn c times form c pairs, not c^2: the second image of such a pair counts once.
    """
    second = task.second.astype(np.int32)
    second[group[task.first] == group[second]] += task.n_images
    counts = np.concatenate([counts, np.minimum(counts, 1)], axis=1).astype(np.int64)
    size = max(1, BLOCK_ENTRIES // len(task.first))
    blocks = [counts[start : start + size] for start in range(0, len(counts), size)]
    return np.concatenate(map_threads(lambda block: task.block(block, second), blocks, threads))[:, :, 0]
