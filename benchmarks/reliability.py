"""Bias of the units' reliability, and of rival estimators, on simulated data; writes reliability.json and .png.

Run from the root of the project:

    python -m benchmarks.reliability        # about 3 minutes of one core

Units respond to images with a known signal and noise. The truth is the mean over units of the squared correlation of
the noise-free responses with the measured means. The rule was to choose the estimator with the smallest worst-case
bias, over numbers of presentations, fixations per presentation and kinds of noise.

Two models are scored by the median over units of the noise-corrected r: one that predicts the noise-free responses, and
one whose predictions correlate with them by `IMPERFECT`. The ceiling follows from theory (`analysis.statistics
.reliability`); nothing in it was fitted to these cases.
"""

import json
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from analysis.core.settings import workers
from analysis.statistics import ceilings
from analysis.statistics.crossval import pearson
from benchmarks.sizes import FIGURES, keep, size
from benchmarks.table import OURS

SNR = (0.1, 0.2, 0.5, 1.0)
"""Signal variance over the noise variance of one fixation; half of this noise is shared within the presentation."""
UNITS = size(480_000, 6_000)
"""Number of images x units of a batch; there are 1 / SNR batches, as medians vary more where the SNR is low. Rival
estimators see the first batch."""
IMPERFECT = 0.5
SPLITS = size(4, 2)
FIXATIONS = [52, 154, 124, 175, 167, 105, 57, 14, 2]
"""Number of presentations of An220105 with 1, 2, ... selected fixations."""


def counts() -> dict[str, np.ndarray]:
    """Return the number of presentations of each image, by name of the case."""
    drawn = np.random.default_rng(0)
    return {
        "120 images, 3 times": np.full(120, 3),
        "120 images, twice": np.full(120, 2),
        "60 images once, 60 eight times": np.repeat([1, 8], 60),
        "120 images, geometric with mean 2.85": drawn.geometric(1 / 2.85, 120),
        "An220105 (300 images, 1 to 4 times)": np.repeat([1, 2, 3, 4], [1, 57, 233, 9]),
        "Pa210201 (158 of 802 images once; others 2 to 7 times, assumed)": np.append(
            np.ones(158, dtype=int), drawn.integers(2, 8, 644)
        ),
    }


class Design:
    """Presentations of images and their fixations, in order, and the weights of presentations in image means."""

    def __init__(self, repeats: np.ndarray, fixations: np.ndarray):
        self.repeats, self.fixations = repeats, fixations
        self.image = np.repeat(np.arange(len(repeats)), repeats)
        self.presentation = np.repeat(np.arange(len(self.image)), fixations)
        self.first = np.cumsum(repeats) - repeats
        self.weight = fixations / self.by_image(fixations)[self.image]
        self.squared_weights = self.by_image(self.weight**2)

    def by_image(self, rows: np.ndarray) -> np.ndarray:
        """Sum rows of presentations by image."""
        return np.add.reduceat(rows, self.first, axis=0)

    def by_presentation(self, rates: np.ndarray) -> np.ndarray:
        """Return the mean of each presentation, (n_presentations, n_units)."""
        first = np.cumsum(self.fixations) - self.fixations
        return np.add.reduceat(rates, first, axis=0) / self.fixations[:, None]

    def means(self, y: np.ndarray, chosen=None) -> np.ndarray:
        """Return image means of presentation means, over chosen presentations only; NaN where there is none."""
        weight = self.fixations if chosen is None else self.fixations * chosen
        total = self.by_image(weight)
        return self.by_image(weight[:, None] * y) / np.where(total > 0, total, np.nan)[:, None]


def simulate(design: Design, snr: float, sparse: bool, n_units: int, rng: np.random.Generator):
    """Return rates of fixations and noise-free responses: Gaussian, or sparse with noise that grows with the rate."""
    shape = (len(design.repeats), n_units)
    signal = rng.gamma(1.0, 1.0, shape) if sparse else rng.normal(size=shape)
    noise = np.sqrt(signal if sparse else np.ones(shape)) / np.sqrt(2 * snr)
    presentations = noise[design.image] * rng.normal(size=(len(design.image), n_units))
    of_fixation = design.image[design.presentation]
    fixations = noise[of_fixation] * rng.normal(size=(len(of_fixation), n_units))
    return signal[of_fixation] + presentations[design.presentation] + fixations, signal


def weighted_squares(design: Design, y: np.ndarray) -> np.ndarray:
    """v_i = p / (p - 1) sum w^2 (y_p - y_i)^2; the pooled variance of a presentation for images shown once."""
    means, p = design.means(y), design.repeats
    squares = (y - means[design.image]) ** 2
    many = p >= 2
    noise = design.by_image(design.weight[:, None] ** 2 * squares)[many] * (p / np.maximum(p - 1, 1))[many, None]
    once = design.by_image(squares)[many].sum(axis=0) / (p[many] - 1).sum()
    return 1 - (noise.sum(axis=0) + (~many).sum() * once) / len(p) / means.var(axis=0, ddof=1)


def one_way(design: Design, y: np.ndarray) -> np.ndarray:
    """One-way analysis of variance of presentation means."""
    p, n = design.repeats, len(design.repeats)
    means = design.by_image(y) / p[:, None]
    within = ((y - means[design.image]) ** 2).sum(axis=0) / (len(y) - n)
    between = (p[:, None] * (means - y.mean(axis=0)) ** 2).sum(axis=0) / (n - 1)
    signal = (between - within) * (n - 1) / (len(y) - (p**2).sum() / len(y))
    return signal / (signal + within * design.squared_weights.mean())


def restricted_likelihood(design: Design, y: np.ndarray) -> np.ndarray:
    """Restricted maximum likelihood of the one-way model of presentation means, on a grid of signal / noise."""
    p = design.repeats
    means = design.by_image(y) / p[:, None]
    within = ((y - means[design.image]) ** 2).sum(axis=0)
    grid = np.append(0.0, np.geomspace(0.01, 20, 30))
    loss = []
    for ratio in grid:
        precision = 1 / (1 / p + ratio)
        centre = precision @ means / precision.sum()
        noise = (within + precision @ (means - centre) ** 2) / (len(y) - 1)
        loss.append(-np.log(precision).sum() + np.log(precision.sum()) + (len(y) - 1) * np.log(noise))
    best = grid[np.argmin(loss, axis=0)]
    return best / (best + design.squared_weights.mean())


def split_halves(design: Design, y: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return 2 r / (1 + r), and r extrapolated to the harmonic mean number of presentations; both within -1 to 1."""
    p, found = design.repeats, []
    for _ in range(SPLITS):
        order = np.lexsort((rng.random(len(y)), design.image))
        rank = np.arange(len(y)) - np.repeat(design.first, p)
        first = np.zeros(len(y), dtype=bool)
        first[order] = rank < np.repeat((p + (rng.random(len(p)) < 0.5)) // 2, p)
        found.append(pearson(design.means(y, first), design.means(y, ~first)))
    r, split = np.mean(found, axis=0), p[p >= 2]
    step = (1 / r - 1) / np.mean((1 / (split // 2) + 1 / (split - split // 2)) / 2)
    return tuple(np.clip(c, -1, 1) for c in (2 * r / (1 + r), 1 / (1 + step * np.mean(1 / p))))


def case(name: str, snr: float, sparse: bool, several: bool) -> dict:
    """Return truth, bias of each estimator, and the median scores of both models, with standard errors."""
    repeats = counts()[name]
    rng = np.random.default_rng([int(100 * snr), sparse, several, *name.encode()])
    n = repeats.sum()
    drawn = rng.choice(np.arange(1, 10), n, p=np.divide(FIXATIONS, sum(FIXATIONS))) if several else np.ones(n, int)
    design = Design(repeats, drawn)
    batches, rivals = [], {}
    for number in range(round(1 / snr)):
        rates, signal = simulate(design, snr, sparse, max(UNITS // len(repeats), 8), rng)
        shown = ceilings.Presentations(rates, design.image[design.presentation], design.presentation)
        found, means = shown.reliability(), shown.means()
        r = pearson(means, signal)
        error = np.sqrt(1 / IMPERFECT**2 - 1) * rng.normal(size=signal.shape)
        imperfect = pearson(means, signal + error)
        batches.append([r, imperfect, found.value, found.standard_error, found.ceiling, found.low])
        if not number:
            rivals = biases(design, design.by_presentation(rates), r, rng)
    r, imperfect, value, error, ceiling, low = (np.concatenate(part) for part in zip(*batches, strict=True))
    perfect, low = ceilings.noise_corrected(r, ceiling), low.astype(bool)
    return {
        "counts": name,
        "snr": snr,
        "noise": "grows with the rate" if sparse else "Gaussian",
        "fixations": "1 to 9" if several else "1",
        "truth": float(np.mean(r**2)),
        "bias": {OURS: float(np.mean(value - r**2)), **rivals},
        "standard_error_of_bias": float(np.std(value - r**2) / np.sqrt(len(r))),
        "sd": float(value.std()),
        "mean_standard_error": float(error.mean()),
        "low": float(low.mean()),
        "ceiling_exceeded": float(np.mean(r**2 > ceiling)),
        "perfect_model": float(np.median(perfect)),
        "standard_error_of_perfect_model": error_of_median(perfect),
        "perfect_model_without_low": float(np.median(perfect[~low])) if not low.all() else None,
        "perfect_model_by_value": float(np.median(ceilings.noise_corrected(r, value))),
        "imperfect_model": float(np.median(ceilings.noise_corrected(imperfect, ceiling))),
    }


def biases(design: Design, y: np.ndarray, r: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """Return the bias of each rival estimator, from responses to presentations and the noise-free model's r."""
    brown, harmonic = split_halves(design, y, rng)
    values = {
        "one-way analysis of variance": one_way(design, y),
        "restricted maximum likelihood": restricted_likelihood(design, y),
        "weighted squares by image": weighted_squares(design, y),
        "split halves, harmonic mean": harmonic,
        "split halves, Spearman-Brown": brown,
    }
    return {name: float(np.mean(value - r**2)) for name, value in values.items()}


def error_of_median(values: np.ndarray) -> float:
    """Return half the distance of the order statistics one binomial standard deviation from the median."""
    low, high = np.quantile(values, 0.5 + np.array([-0.5, 0.5]) / np.sqrt(len(values)))
    return float((high - low) / 2)


def draw(found: list[dict]) -> None:
    """Plot the bias of every estimator in every case, and the score of a perfect model."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    names = list(found[0]["bias"])
    left.axvspan(-0.02, 0.02, color="0.9")
    for row, name in enumerate(names):
        bias = [one["bias"][name] for one in found]
        left.plot(bias, row + np.linspace(-0.3, 0.3, len(bias)), ".", markersize=3, color="#1b6ca8")
    left.set_yticks(range(len(names)), names, fontsize=7)
    left.invert_yaxis()
    left.set_xlabel("bias: mean estimate - truth (a dot per case)")
    right.axhspan(0.98, 1.02, color="0.9")
    truth = [one["truth"] for one in found]
    right.plot(truth, [one["perfect_model"] for one in found], ".", color="#1b6ca8", label="all units")
    right.plot(
        truth,
        [one["perfect_model_without_low"] or np.nan for one in found],
        ".",
        color="#c2571a",
        label="without units of low reliability",
    )
    right.set_xlabel("true reliability")
    right.set_ylabel("median noise-corrected r of a perfect model")
    right.legend(fontsize=7)
    figure.savefig(FIGURES / "reliability.png", dpi=110, metadata={"Software": None})


def main() -> None:
    """Run every case and write the results beside this file."""
    cases = [(name, snr, sparse, many) for name in counts() for snr in SNR for sparse in (0, 1) for many in (0, 1)]
    with ProcessPoolExecutor(workers()) as pool:
        found = list(pool.map(case, *zip(*cases, strict=True)))
    worst = {name: max((one["bias"][name] for one in found), key=abs) for name in found[0]["bias"]}
    print(json.dumps({"largest bias": worst}, indent=1))
    keep("reliability", found)
    draw(found)


if __name__ == "__main__":
    main()
