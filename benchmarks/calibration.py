"""Calibration of intervals, p-values and bounds of RDMs on planted truth; writes calibration.json and calibration.png.

Run from the root of the project:

    python -m benchmarks.calibration        # some minutes on 2 cores

Each line simulates experiments with a known answer and counts how often the statistics find it.
"""

import json
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy import stats

from analysis.core.settings import workers
from analysis.statistics import inference
from analysis.statistics.rsa import bootstrap, rdm, similarity
from benchmarks.sizes import FIGURES, keep, size

RUNS, DRAWS = size((600, 400), (5, 50))
UNIT_RUNS = size(1000, 5)
RSA_RUNS, RSA_DRAWS = size((500, 300), (3, 50))
MODEL_RUNS = size(60, 3)
ONE_TRUTH_RUNS, TRUTH_RUNS = size((20, 40), (2, 2))
"""Large experiments that define the truth: of one recording, and of several."""


def stream(name: str, run: int) -> np.random.Generator:
    """Return the random stream of one simulated experiment."""
    return np.random.default_rng([run, *name.encode()])


def covered(low: float, high: float, truth: float) -> bool:
    """Tell whether the interval contains the truth."""
    return bool(low <= truth <= high)


def coverage_of_unit_means(recordings: int, units: int, between: float) -> dict:
    """Return coverage for the mean score over units that differ by recording, for both kinds of interval."""
    variance = "recordings differ" if between else "recordings alike"
    label, hits = np.repeat(np.arange(recordings), units), {"percentile": [], "bca": []}
    for run in range(UNIT_RUNS):
        rng = stream("units", run)
        values = 0.4 + between * rng.normal(size=recordings)[label] + rng.normal(0, 0.3, len(label))
        for method, found in hits.items():
            ends = inference.bootstrap_interval(values, np.mean, (label,), n_draws=DRAWS, seed=run, method=method)
            found.append(covered(ends.low, ends.high, 0.4))
    cases = f"{recordings} recordings x {units} units, {variance}"
    return {f"{method}, {cases}": float(np.mean(found)) for method, found in hits.items()}


def coverage_of_unit_medians() -> dict:
    """Return coverage for the median of skewed scores of independent units."""
    hits = []
    for run in range(UNIT_RUNS):
        values = stream("medians", run).gamma(2.0, size=60)
        found = inference.bootstrap_interval(values, np.median, n_draws=DRAWS, seed=run)
        hits.append(covered(found.low, found.high, stats.gamma(2.0).median()))
    return {"percentile, median of 60 units": float(np.mean(hits))}


def _experiment(rng, n_images: int, subjects: int, deviation: float):
    """Return a model RDM and the subjects' RDMs over images; all share four features.

    `deviation` is the standard deviation over subjects of the log scale of their other features.
    """
    shared = rng.normal(size=(n_images, 4))
    model = rdm.rdm(np.hstack([shared, rng.normal(size=(n_images, 4))]), "sqeuclidean")
    data = []
    for _ in range(subjects):
        own = np.exp(deviation * rng.normal())
        data.append(rdm.rdm(np.hstack([shared, own * rng.normal(size=(n_images, 4))]), "sqeuclidean"))
    return model, data


def coverage_over_images(n_images: int) -> dict:
    """Return coverage for the Spearman correlation of RDMs, images resampled, one recording."""
    big = [_experiment(stream("truth one", run), 400, 1, 0.0) for run in range(ONE_TRUTH_RUNS)]
    truth, hits = np.mean([similarity.compare_rdms(model, data[0]) for model, data in big]), []
    for run in range(RSA_RUNS):
        model, data = _experiment(stream("images", run), n_images, 1, 0.0)
        drawn = bootstrap.bootstrap_rsa([model], data, n_draws=RSA_DRAWS, seed=run, ceilings=False)
        hits.append(covered(*inference.percentile_interval(drawn.scores[:, 0], n=n_images), truth))
    return {f"RDM correlation, {n_images} images drawn": float(np.mean(hits))}


def coverage_over_recordings(subjects: int = 10) -> dict:
    """Return the same with recordings resampled; the truth is the mean over other recordings of the same images."""
    hits = []
    for run in range(RSA_RUNS):
        model, data = _experiment(stream("both", run), 40, subjects, 0.5)
        rng, shared = stream("others", run), stream("both", run).normal(size=(40, 4))
        others = [
            rdm.rdm(np.hstack([shared, np.exp(0.5 * rng.normal()) * rng.normal(size=(40, 4))]), "sqeuclidean")
            for _ in range(60)
        ]
        target = np.mean([similarity.compare_rdms(model, d) for d in others])
        drawn = bootstrap.bootstrap_rsa([model], data, n_draws=RSA_DRAWS, over="recordings", seed=run, ceilings=False)
        hits.append(covered(*inference.percentile_interval(drawn.scores[:, 0], n=subjects), target))
    return {f"RDM correlation, recordings drawn ({subjects} recordings, 40 images)": float(np.mean(hits))}


def coverage_over_both(subjects: int = 10) -> dict:
    """Return the same with images and recordings resampled."""
    big = [_experiment(stream("truth", run), 250, 6, 0.5) for run in range(TRUTH_RUNS)]
    truth, hits = np.mean([similarity.compare_rdms(model, one) for model, data in big for one in data]), []
    for run in range(RSA_RUNS):
        model, data = _experiment(stream("both", run), 40, subjects, 0.5)
        found = bootstrap.both_interval(model, data, n_draws=100, seed=run)
        hits.append(covered(found.low, found.high, truth))
    return {f"RDM correlation, both drawn ({subjects} recordings, 40 images)": float(np.mean(hits))}


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
    """Return the p-value of the Kolmogorov-Smirnov test for `p` on a grid of 1 / levels, jittered within its cells."""
    rng = np.random.default_rng(0)
    return float(stats.kstest(np.asarray(p) - rng.random(len(p)) / levels, "uniform").pvalue)


def ceiling_against_models() -> dict:
    """Return the largest lead of any model over the rank-pooled upper ceiling; models improve by swapping ranks."""
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
    """Plot coverage and p-values."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.2), layout="constrained")
    left, middle = figure.subplots(1, 2, width_ratios=[1.5, 1])
    names = list(found["coverage"])
    left.axvspan(0.93, 0.97, color="0.9")
    left.axvline(0.95, color="0.5", linewidth=0.8)
    left.plot([found["coverage"][name] for name in names], range(len(names)), "o", color="#1b6ca8")
    left.set_yticks(range(len(names)), names, fontsize=6.5)
    left.invert_yaxis()
    left.set_xlim(0.85, 1)
    left.set_xlabel("share of 95 % intervals that contain the truth")
    for name, values in p_values.items():
        middle.plot(np.sort(values), (np.arange(len(values)) + 0.5) / len(values), linewidth=1, label=name)
    middle.plot([0, 1], [0, 1], color="0.5", linewidth=0.7, linestyle=":")
    middle.set_xlabel("p-value under the null")
    middle.set_ylabel("cumulative share")
    middle.legend(fontsize=6, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    figure.savefig(FIGURES / "calibration.png", dpi=110, metadata={"Software": None})


COVERAGE = (
    *[(coverage_of_unit_means, case) for case in ((6, 20, 0.3), (15, 20, 0.3), (40, 10, 0.3), (15, 20, 0.0))],
    (coverage_of_unit_medians, ()),
    *[(coverage_over_images, (n,)) for n in (40, 80)],
    (coverage_over_recordings, ()),
    (coverage_over_both, ()),
)


def main() -> None:
    """Run every part in a process of its own and write the results beside this file."""
    found: dict = {"runs": {"units": UNIT_RUNS, "rsa": RSA_RUNS, "p": RUNS}, "coverage": {}}
    with ProcessPoolExecutor(workers()) as pool:
        others = [pool.submit(part) for part in (null_p_values, ceiling_against_models)]
        for part in [pool.submit(part, *case) for part, case in COVERAGE]:
            found["coverage"] |= part.result()
        p_values, found["lead_over_upper_ceiling"] = (part.result() for part in others)
    grids = (200, 500, 200)
    found["uniform_ks_p"] = {name: uniform(p, grid) for (name, p), grid in zip(p_values.items(), grids, strict=True)}
    found["false_alarms_at_5_percent"] = {name: float(np.mean(np.array(p) <= 0.05)) for name, p in p_values.items()}
    print(json.dumps(found, indent=1))
    keep("calibration", found)
    draw(found, p_values)


if __name__ == "__main__":
    main()
