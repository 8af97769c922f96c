"""Groups of near-duplicate images, splits that keep groups together, and the report's split, which does not."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from analysis.core.errors import DataError
from analysis.core.reading import reading
from analysis.core.seeds import seed_of
from analysis.stimuli.categories import stem_of

REPORT_SEED = 42
REPORT_TEST = 0.2


def read_similar(path: Path) -> list[list[str]]:
    """Return the stems of each line of ``similar_images.txt`` (tab-separated file names of near-duplicates).

    Raises `DataError` if the file is missing or is not text.
    """
    with reading(path, "run the stage acquire"):
        lines = path.read_text(encoding="utf-8").splitlines()
    return [[stem_of(name) for name in line.split("\t") if name] for line in lines if line.strip()]


def group_near_duplicates(stems: Sequence[str], similar: Iterable[Sequence[str]]) -> np.ndarray:
    """Return the group of each image (n,), numbered by first appearance.

    Two images are near-duplicates if a chain of lines of `similar` links them, also through images not in `stems`.
    """
    sets = DisjointSet(stems)
    for line in similar:
        for name in line:
            sets.add(name)
            sets.merge(line[0], name)
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(sets[name], len(numbers)) for name in stems], dtype=int)


def split_groups(groups: np.ndarray, labels: Sequence[str], validation: float, test: float, seed: int) -> np.ndarray:
    """Split images into train, validation and test by whole groups, with the same shares for every label, (n,) str.

    A group takes the label of most of its images (alphabetically the first in a tie). `validation` and `test` are
    shares of the groups; the rest is for training.
    """
    if validation + test >= 1:
        raise DataError(f"stimuli.validation + stimuli.test = {validation + test:g}: leave a share for training")
    members: dict[int, Counter] = {}
    for number, label in zip(groups, labels, strict=True):
        members.setdefault(int(number), Counter())[label] += 1
    strata: dict[str, list[int]] = {}
    for number in sorted(members):
        label = min(members[number].items(), key=lambda item: (-item[1], item[0]))[0]
        strata.setdefault(label, []).append(number)
    part = {}
    for label, numbers in strata.items():
        order = np.random.default_rng(seed_of(seed, "stimuli", "split", label)).permutation(numbers)
        n_test, n_validation = round(test * len(order)), round(validation * len(order))
        for place, number in enumerate(order):
            part[int(number)] = "test" if place < n_test else "validation" if place < n_test + n_validation else "train"
    return np.array([part[int(number)] for number in groups], dtype=object)


def split_report(labels: Sequence[str]) -> np.ndarray:
    """Split as the report did: classes balanced by random choice, then 80/20 within each class, seed 42.

    `labels` are ``face`` or ``non-face`` by file name. Images dropped by the balancing get an empty string.
    """
    labels = np.asarray(labels, dtype=object)
    rng = np.random.default_rng(REPORT_SEED)
    n = min(int((labels == name).sum()) for name in ("face", "non-face"))
    result = np.full(len(labels), "", dtype=object)
    for name in ("face", "non-face"):
        chosen = rng.permutation(np.flatnonzero(labels == name))[:n]
        n_test = round(REPORT_TEST * n)
        result[chosen[:n_test]] = "test"
        result[chosen[n_test:]] = "train"
    return result
