"""Coverage of intervals and false alarms of contrasts on simulated data; writes coverage.json and coverage.png.

Run from the root of the project:

    python -m benchmarks.coverage        # some minutes on 2 cores; resumes where it was stopped

Scores are predictivity of simulated recordings (`recordings`), and RDM correlations of recordings that share four
features with the models and have four of their own. The truth is the expectation of the score: over equally many other
images and units of the same recordings, or over other recordings as well. With infinitely many images the median is
slightly lower, as noise in the scores of single units moves the median of a skewed distribution; `bias` says by how
much.
"""

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed

import numpy as np

from analysis.core.files import write_text
from analysis.core.parallel import one_thread
from analysis.core.settings import workers
from analysis.statistics import (
    Predictions,
    bootstrap_interval,
    compare_rdms,
    contrast,
    predictivity_draws,
    rdm,
    rsa_draws,
)
from analysis.statistics.crossval import mean_pearson, pearson
from benchmarks.coverage.recordings import POPULATION, Case, Recording, draw_recordings, experiment, limit
from benchmarks.sizes import FIGURES, keep, size

RUNS, DRAWS = size((1000, 200), (4, 40))
"""Experiments in each case, so that a coverage of 95 % has a standard error of 0.7, and bootstrap draws in each."""
UNIT_DRAWS = size(400, 50)
"""Draws for means of given scores: percentiles need more draws than variances."""
WORLDS = size(10, 2)
"""Number of fixed sets of recordings; each is simulated `RUNS` / `WORLDS` times."""
REPLICATES = size(200, 10)
"""Experiments whose mean score is the truth for a set of recordings; ten times as many if recordings are drawn."""

CASES = [
    Case(1),
    *[Case(n, same_images=same) for n in (2, 3) for same in (True, False)],
    Case(6),
    *[Case(n, others=True, same_images=same) for n in (6, 15) for same in (True, False)],
    Case(3, same_images=False, kind="corrected"),
    Case(3, same_images=False, kind="fitted"),
]


def expected(case: Case, new_recordings: Callable[[], list[Recording]], n: int, rng) -> dict[str, float]:
    """Return the mean score of `n` experiments, by aggregate."""
    scores = []
    for _ in range(n):
        r = np.concatenate([unit_r(one) for one in experiment(case, new_recordings(), rng)[0]])
        scores.append([np.median(r), np.mean(r)])
    return dict(zip(("median", "mean"), np.mean(scores, axis=0).tolist(), strict=True))


def unit_r(one: Predictions) -> np.ndarray:
    """Return the score of each unit."""
    if one.folds is None:
        return pearson(one.observed, one.predicted) / (1 if one.scale is None else one.scale)
    return mean_pearson(one.observed, one.predicted, one.folds)


def measure(case: Case) -> dict[str, dict]:
    """Return, by aggregate: coverage and mean width of the interval, bias, and false alarms of contrasts at 5 %."""
    rows: dict[str, list] = {"median": [], "mean": []}
    bias: dict[str, list] = {"median": [], "mean": []}
    for world in range(1 if case.others else WORLDS):
        rng = np.random.default_rng([world, *case.name.encode()])
        fixed = draw_recordings(case, rng)

        def recordings(fixed=fixed, rng=rng):
            return draw_recordings(case, rng) if case.others else fixed

        truth = expected(case, recordings, REPLICATES * (10 if case.others else 1), rng)
        if case.others:
            far = limit([one for _ in range(400) for one in recordings()], POPULATION // 400, rng)
        else:
            far = limit(fixed, POPULATION, rng)
        for run in range(RUNS if case.others else RUNS // WORLDS):
            found = experiment(case, recordings(), rng)
            clusters = range(case.recordings) if case.others else None
            for name, kept in rows.items():
                draws = [
                    predictivity_draws(one, "r", name, clusters=clusters, n_draws=DRAWS, seed=run) for one in found
                ]
                ends = draws[0].interval()
                kept.append((ends.low <= truth[name] <= ends.high, ends.high - ends.low, contrast(*draws).p <= 0.05))
        for name in bias:
            bias[name].append(truth[name] - far[name])
    return {
        f"{name} r, {case.name}": summary(kept, np.mean(bias[name]) if case.kind == "fixed" else None)
        for name, kept in rows.items()
    }


def summary(rows: list[tuple], bias: float | None = None) -> dict:
    """Summarise experiments: share covered, mean width and, if there were contrasts, share of false alarms."""
    columns = np.array(rows, dtype=float).T
    share = float(columns[0].mean())
    return {
        "coverage": share,
        "standard_error": float(np.sqrt(share * (1 - share) / len(rows))),
        "runs": len(rows),
        "width": float(columns[1].mean()),
        "false_alarms": float(columns[2].mean()) if len(columns) > 2 else None,
        "bias": None if bias is None else float(bias),
    }


def compare_geometries(n_images: int, twins: int, recordings: int, others: bool) -> dict[str, dict]:
    """Return the same as `measure` for the rank correlation of RDMs; `twins` images have a near-duplicate."""
    groups = np.concatenate([np.arange(n_images - twins), np.arange(twins)])
    keys = [f"i{k:03d}" for k in range(n_images)]
    group_of = dict(zip(keys, groups.tolist(), strict=True))

    def simulate(rng, scales):
        shared, near = rng.normal(size=(n_images - twins, 4))[groups], np.sqrt(0.1)
        shared = (shared + near * rng.normal(size=shared.shape)) / np.sqrt(1.1)
        own = [rng.normal(size=(n_images, 4)) for _ in range(2 + recordings)]
        found = [
            rdm(np.hstack([shared, scale * part]), "sqeuclidean", keys)
            for part, scale in zip(own, [1.0, 1.0, *scales], strict=True)
        ]
        return found[:2], found[2:]

    rng = np.random.default_rng([n_images, twins, recordings, others])

    def scales():
        return np.exp(0.5 * rng.normal(size=recordings)) if others else np.linspace(0.7, 1.4, recordings)

    truth = []
    for _ in range(REPLICATES * 2):
        models, data = simulate(rng, scales())
        truth.append(np.mean([compare_rdms(model, one) for model in models for one in data]))
    truth, rows = float(np.mean(truth)), []
    for run in range(RUNS):
        models, data = simulate(rng, scales())
        named = {name: [model] * recordings for name, model in zip("ab", models, strict=True)}
        clusters = range(recordings) if others else None
        draws = rsa_draws(named, data, groups=group_of, clusters=clusters, n_draws=DRAWS, seed=run, threads=1)
        ends = draws["a"].interval()
        rows.append((ends.low <= truth <= ends.high, ends.high - ends.low, contrast(*draws.values()).p <= 0.05))
    images = f"{n_images} images" + (f", {twins} of them twice" if twins else "")
    about = "other recordings" if others else ("this recording" if recordings == 1 else "these recordings")
    one = "1 recording" if recordings == 1 else f"{recordings} recordings"
    return {f"RDM correlation, {one}, {images}: about {about}": summary(rows)}


def score_units(recordings: int, units: int, between: float) -> dict[str, dict]:
    """Return the same as `measure` for the mean of given unit scores, resampling recordings (`bootstrap_interval`)."""
    label, rows = np.repeat(np.arange(recordings), units), []
    for run in range(RUNS):
        rng = np.random.default_rng([run, recordings, units])
        values = 0.4 + between * rng.normal(size=recordings)[label] + rng.normal(0, 0.3, len(label))
        ends = bootstrap_interval(values, np.mean, (label,), n_draws=UNIT_DRAWS, seed=run)
        rows.append((ends.low <= 0.4 <= ends.high, ends.high - ends.low))
    alike = "that differ" if between else "alike"
    return {f"mean of given scores, {recordings} recordings {alike}, {units} units each": summary(rows)}


PIECES: list[tuple[Callable, tuple]] = [
    *[(measure, (case,)) for case in CASES],
    *[(compare_geometries, case) for case in ((40, 0, 1, False), (80, 0, 1, False), (60, 20, 1, False))],
    *[(compare_geometries, (40, 0, n, others)) for n, others in ((3, False), (6, True), (15, True))],
    *[(score_units, case) for case in ((6, 20, 0.3), (15, 20, 0.3), (15, 20, 0.0))],
]


def draw(found: dict[str, dict]) -> None:
    """Plot coverage with its 95 % range, and false alarms."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 0.21 * len(found) + 0.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.4, 1], sharey=True)
    for axes, key, aim in ((left, "coverage", 0.95), (right, "false_alarms", 0.05)):
        shares = np.array([np.nan if one[key] is None else one[key] for one in found.values()])
        error = 1.96 * np.sqrt(shares * (1 - shares) / [one["runs"] for one in found.values()])
        axes.axvline(aim, color="0.5", linewidth=0.8)
        axes.errorbar(shares, range(len(found)), xerr=error, fmt="o", markersize=4, linewidth=1, color="#1b6ca8")
    left.axvspan(0.93, 0.97, color="0.9")
    left.set_yticks(range(len(found)), list(found), fontsize=7)
    left.invert_yaxis()
    left.set_xlim(0.88, 1)
    left.set_xlabel("coverage of 95 % intervals")
    right.set_xlim(0, 0.12)
    right.set_xlabel("false alarms at 5 %")
    figure.savefig(FIGURES / "coverage.png", dpi=110, metadata={"Software": None})


def alone(part: Callable, arguments: tuple) -> dict[str, dict]:
    """Run a piece with one thread: setting the limit for every small product would be slow."""
    with one_thread():
        return part(*arguments)


def main() -> None:
    """Run every piece in its own process, saving each as it ends, and write the results beside this file."""
    begun = FIGURES / "coverage.partial.json"
    sizes = {"runs": RUNS, "draws": DRAWS, "replicates": REPLICATES}
    known = json.loads(begun.read_text(encoding="utf-8")) if begun.exists() else {}
    done = known.get("pieces", {}) if known.get("sizes") == sizes else {}
    names = [f"{part.__name__} {arguments}" for part, arguments in PIECES]
    with ProcessPoolExecutor(workers()) as pool:
        waiting = {
            pool.submit(alone, part, arguments): name
            for name, (part, arguments) in sorted(zip(names, PIECES, strict=True), key=lambda one: "15" in one[0])
            if name not in done
        }
        for piece in as_completed(waiting):
            done[waiting[piece]] = piece.result()
            print(json.dumps(piece.result(), indent=1), flush=True)
            write_text(begun, json.dumps({"sizes": sizes, "pieces": done}))
    found = {key: row for name in names for key, row in done[name].items()}
    keep("coverage", found)
    draw(found)
    begun.unlink()


if __name__ == "__main__":
    main()
