"""Calibration of p-values and of RDM ceilings on simulated ground truth; writes calibration.json and calibration.png.

Run from the root of the project:

    python -m benchmarks.calibration        # some minutes on 2 cores

Each part simulates experiments with a known answer; for intervals and contrasts see `coverage`.
"""

import json
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy import stats

from analysis.core import numerics
from analysis.core.settings import workers
from analysis.statistics import inference
from analysis.statistics.rsa import rdm, similarity
from benchmarks.sizes import FIGURES, keep, size

RUNS = size(600, 5)
MODEL_RUNS = size(60, 3)


def stream(name: str, run: int) -> np.random.Generator:
    """Return the random generator of one simulated experiment."""
    return np.random.default_rng([run, *name.encode()])


def null_p_values() -> dict[str, list[float]]:
    """Return p-values under true null hypotheses."""
    found: dict[str, list] = {"permutation of images, RDM correlation": [], "paired models, signs of 14 recordings": []}
    found["largest of 24 layers x areas (max-T)"] = []
    for run in range(RUNS):
        rng = stream("null", run)
        a, b = (rdm.rdm(rng.normal(size=(14, 6))) for _ in range(2))
        square, other = a.square(), b.distances
        ranks = stats.rankdata(other)

        def statistic(order, square=square, ranks=ranks):
            return np.corrcoef(stats.rankdata(rdm.upper(square[np.ix_(order, order)])), ranks)[0, 1]

        found["permutation of images, RDM correlation"].append(
            inference.permutation_test(statistic, 14, n_permutations=199, seed=run)[1]
        )
        recordings = np.repeat(np.arange(14), 8)
        shared = rng.normal(size=14)[recordings]
        scores = [rng.normal(size=112) + shared * sign for sign in (1, -1)]
        found["paired models, signs of 14 recordings"].append(
            inference.paired_test(*scores, recordings, n_permutations=499, seed=run)[1]
        )
        X, y = rng.normal(size=(40, 24)) + rng.normal(size=(40, 1)), rng.normal(size=40)
        Z = (X - X.mean(0)) / X.std(0)
        orders = [np.arange(40), *(rng.permutation(40) for _ in range(199))]
        correlations = np.array([Z.T @ (y[order] - y.mean()) for order in orders])
        adjusted = inference.max_t(correlations[0].reshape(4, 6), correlations[1:].reshape(-1, 4, 6))
        found["largest of 24 layers x areas (max-T)"].append(float(adjusted.min()))
    return found


def uniform(p: list[float], levels: int) -> float:
    """Return the Kolmogorov-Smirnov p-value for uniformity of `p`, jittered within the cells of its grid 1 / levels."""
    rng = np.random.default_rng(0)
    return float(stats.kstest(np.asarray(p) - rng.random(len(p)) / levels, "uniform").pvalue)


def ceiling_against_models() -> dict:
    """Return the largest excess of any model over the rank-pooled upper ceiling; models improve by swapping ranks."""
    names = ("spearman", "rho-a with ties", "spearman with ties, over its bound", "raw pooling, spearman")
    lead = dict.fromkeys(names, -np.inf)
    for run in range(MODEL_RUNS):
        rng = stream("models", run)
        data = [rdm.RDM(rng.gamma(1.0, 5.0**k, 15) + rng.random(), "x") for k in range(4)]
        upper = similarity.noise_ceiling(data, "spearman")[1]
        raw = rdm.RDM(np.mean([d.distances for d in data], axis=0), "x")
        lead["raw pooling, spearman"] = max(
            lead["raw pooling, spearman"], upper - np.mean([similarity.compare_rdms(raw, d) for d in data])
        )
        parts = np.stack([stats.rankdata(d.distances) for d in data])
        order = rng.permutation(15).astype(float)
        for _ in range(400):  # hill climbing: swap two ranks whenever that raises the mean correlation
            i, j = rng.choice(15, 2, replace=False)
            if (order[i] - order[j]) * (parts[:, i].sum() - parts[:, j].sum()) < 0:
                order[i], order[j] = order[j], order[i]
        best = np.mean([similarity.compare_rdms(rdm.RDM(order, "x"), d) for d in data])
        lead["spearman"] = max(lead["spearman"], best - upper)
        bound = similarity.noise_ceiling(data, "rho-a")[1]
        for levels in (2, 3, 5):
            tied = rdm.RDM(np.floor(stats.rankdata(parts.sum(axis=0)) * levels / 15.01), "x")
            lead["rho-a with ties"] = max(
                lead["rho-a with ties"], np.mean([similarity.compare_rdms(tied, d, "rho-a") for d in data]) - bound
            )
            tied_score = np.mean([similarity.compare_rdms(tied, d) for d in data])
            name = "spearman with ties, over its bound"
            lead[name] = max(lead[name], tied_score - similarity.upper_bound(data))
    return {name: float(value) for name, value in lead.items()}


def draw(found: dict, p_values: dict[str, list[float]]) -> None:
    """Plot the cumulative distributions of the p-values."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, values in p_values.items():
        axes.plot(np.sort(values), (np.arange(len(values)) + 0.5) / len(values), linewidth=1, label=name)
    axes.plot([0, 1], [0, 1], color="0.5", linewidth=0.7, linestyle=":")
    axes.set_xlabel("p-value under the null")
    axes.set_ylabel("cumulative share")
    axes.legend(fontsize=6, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    figure.savefig(FIGURES / "calibration.png", dpi=110, metadata={"Software": None})


def main() -> None:
    """Run every part in its own process and write the results beside this file."""
    found: dict = {"runs": RUNS}
    with ProcessPoolExecutor(workers()) as pool:
        others = [pool.submit(part) for part in (null_p_values, ceiling_against_models)]
        p_values, found["lead_over_upper_ceiling"] = (part.result() for part in others)
    grids = (200, 500, 200)
    found["uniform_ks_p"] = {name: uniform(p, grid) for (name, p), grid in zip(p_values.items(), grids, strict=True)}
    found["false_alarms_at_5_percent"] = {name: float(np.mean(np.array(p) <= 0.05)) for name, p in p_values.items()}
    print(json.dumps(found, indent=1))
    keep("calibration", found)
    draw(found, p_values)


if __name__ == "__main__":
    numerics.restart()
    main()
