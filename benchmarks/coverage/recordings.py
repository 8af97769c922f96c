"""Simulated recordings with a known predictivity by two models.

An experiment shows images with a few latent features, one of them binary like a face; a third of the image groups hold
two near-duplicates. Units weight the features at random; their noise differs in SD and is partly shared. Recordings
differ in number of units, noise and feature weights. The two models know the same features and make independent errors
of the same size, so that no contrast between them is real.
"""

from dataclasses import dataclass

import numpy as np

from analysis.statistics import Predictions

SIZES = (12, 30, 20, 8, 40, 16)
"""Numbers of units of the recordings, repeated cyclically."""
GROUPS, TWINS = 90, 30
"""Number of image groups in a recording, and of groups that hold two near-duplicates."""
KNOWN, UNKNOWN, ERRORS = 4, 2, 3
"""Numbers of latent features that the models know, that they do not know, and of each model's errors."""
POPULATION = 4000
"""Units that stand for a recording; for other recordings, 1/400 as many from 400 times as many recordings."""
FOLDS, PENALTY = 5, 10.0
"""Folds and penalty of the cross-validated ridge regression."""


@dataclass(frozen=True)
class Case:
    """One kind of experiment.

    Attributes
    ----------
    recordings : int
    others : bool
        Whether the interval is about other recordings, not about these.
    same_images : bool
        Whether all recordings show the same images.
    kind : {"fixed", "corrected", "fitted"}
        Predictions are given; r is divided by the square root of an estimated reliability; or predictions come from a
        cross-validated regression of the responses.
    """

    recordings: int
    others: bool = False
    same_images: bool = True
    kind: str = "fixed"

    @property
    def name(self) -> str:
        """Label of the case in the table."""
        about = "other recordings" if self.others else "these recordings"
        images = {True: "same images", False: "own images"}[self.same_images]
        of_kind = {"fixed": "", "corrected": ", noise-corrected", "fitted": ", cross-validated fits"}[self.kind]
        one = "1 recording" if self.recordings == 1 else f"{self.recordings} recordings, {images}"
        return f"{one}: about {about if self.recordings > 1 else 'this recording'}{of_kind}"


@dataclass(frozen=True)
class Recording:
    """Properties shared by the units of a recording: noise (SD), weight of the face, the models' errors (SD)."""

    n_units: int
    noise: float
    face: float
    error: float

    @classmethod
    def draw(cls, n_units: int, rng: np.random.Generator) -> "Recording":
        """Draw a recording from the population."""
        return cls(n_units, *np.exp(rng.normal([0.6, 0.0, -0.4], [0.3, 0.4, 0.3])))

    def units(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw units: weights of the features (n, n_features), noise (n,), weights of the errors (2, n, ERRORS)."""
        weights = rng.normal(size=(n, KNOWN + UNKNOWN)) * [self.face, *[0.5] * (KNOWN + UNKNOWN - 1)]
        return weights, self.noise * rng.gamma(3.0, 1 / 3.0, n), self.error * rng.normal(size=(2, n, ERRORS))

    def true_r(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return r of n units with the first model, over infinitely many images."""
        weights, noise, errors = self.units(n, rng)
        known = (weights[:, :KNOWN] ** 2).sum(axis=1)
        return known / np.sqrt(((weights**2).sum(axis=1) + noise**2) * (known + (errors[0] ** 2).sum(axis=1)))


def draw_images(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return latent features, (n_images, n) of variance 1, and the group of each image."""
    groups = np.concatenate([np.arange(GROUPS), np.arange(TWINS)])
    base, own = (rng.normal(size=(n, KNOWN + UNKNOWN + 2 * ERRORS)) for n in (GROUPS, len(groups)))
    latent = np.sqrt(0.95) * base[groups] + np.sqrt(0.05) * own
    latent[:, 0] = (((rng.random(GROUPS) < 0.3) - 0.3) / np.sqrt(0.21))[groups]
    return latent, groups


def observe(one: Recording, latent: np.ndarray, groups: np.ndarray, prefix: str, kind: str, rng) -> list[Predictions]:
    """Simulate new units of a recording; return the predictions of each of the two models."""
    weights, noise, errors = one.units(one.n_units, rng)
    clean = latent[:, : KNOWN + UNKNOWN] @ weights.T
    halves = [
        clean + noise * np.sqrt(2) * (np.sqrt(0.3) * rng.normal(size=(len(latent), 1)) + np.sqrt(0.7) * own)
        for own in rng.normal(size=(2, *clean.shape))
    ]
    observed, scale = (halves[0] + halves[1]) / 2, None
    if kind == "corrected":
        covariance = ((halves[0] - halves[0].mean(axis=0)) * (halves[1] - halves[1].mean(axis=0))).mean(axis=0)
        scale = np.sqrt(np.maximum(covariance / observed.var(axis=0), 0.1))
    start, found = KNOWN + UNKNOWN, []
    for k in range(2):
        wrong = latent[:, start + k * ERRORS : start + (k + 1) * ERRORS]
        predicted, folds = latent[:, :KNOWN] @ weights[:, :KNOWN].T + wrong @ errors[k].T, None
        if kind == "fitted":
            folds = groups % FOLDS
            predicted = ridge(np.hstack([latent[:, :KNOWN], wrong]), observed, folds)
        found.append(Predictions(observed, predicted, folds, [f"{prefix}{group}" for group in groups], scale))
    return found


def ridge(X: np.ndarray, Y: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the out-of-fold predictions of a ridge regression."""
    predicted = np.empty_like(Y)
    for fold in range(FOLDS):
        train = folds != fold
        x, y = X[train].mean(axis=0), Y[train].mean(axis=0)
        Z = X[train] - x
        weights = np.linalg.solve(Z.T @ Z + PENALTY * np.eye(X.shape[1]), Z.T @ (Y[train] - y))
        predicted[~train] = (X[~train] - x) @ weights + y
    return predicted


def draw_recordings(case: Case, rng: np.random.Generator) -> list[Recording]:
    """Draw the recordings of an experiment."""
    return [Recording.draw(SIZES[k % len(SIZES)], rng) for k in range(case.recordings)]


def experiment(case: Case, recordings: list[Recording], rng: np.random.Generator) -> list[list[Predictions]]:
    """Show new images to new units of recordings; return the predictions of both models, by recording."""
    images = [draw_images(rng) for _ in recordings[: 1 if case.same_images else None]]
    images *= len(recordings) if case.same_images else 1
    pairs = [
        observe(one, latent, groups, "" if case.same_images else f"{k}/", case.kind, rng)
        for k, (one, (latent, groups)) in enumerate(zip(recordings, images, strict=True))
    ]
    return [list(model) for model in zip(*pairs, strict=True)]


def limit(recordings: list[Recording], n: int, rng: np.random.Generator) -> dict[str, float]:
    """Return the score over infinitely many images and units; recordings are weighted by their numbers of units."""
    r = np.concatenate([one.true_r(n, rng) for one in recordings])
    weight = np.repeat([one.n_units for one in recordings], n)
    order = np.argsort(r)
    middle = order[np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)]
    return {"median": float(r[middle]), "mean": float(np.average(r, weights=weight))}
