"""Time the comparison statistics against standard packages of the field, on one machine in one run.

Run from the root of the project (himalaya is skipped if it is not installed):

    python -m benchmarks.compare            # writes benchmarks/compare.json and prints the table

Each time is the shortest of several runs, and ratios compare times of the same run. Peers that take minutes run fewer
draws and are scaled up, as the table states. The file names the processor that BLAS is tuned for: if
OPENBLAS_CORETYPE selects an older one, neither side runs at full speed.
"""

import platform
import time
import tracemalloc
import warnings

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from analysis.core import numerics
from analysis.core.numerics import THREADS
from analysis.statistics.predictivity import pls, ridge
from analysis.statistics.rsa import bootstrap, rdm
from analysis.statistics.rsa.similarity import noise_ceiling
from benchmarks.sizes import keep, size

IMAGES, FEATURES, UNITS = size((1000, 1250, 100), (100, 100, 8))
TRAIN = 9 * IMAGES // 10


class Time(float):
    """Shortest wall time of several runs, in seconds, with the shortest processor time as `cpu`."""

    cpu: float

    def __mul__(self, factor):
        return seconds(float(self) * factor, self.cpu * factor)

    def __truediv__(self, factor):
        return self * (1 / factor)


def seconds(wall: float, cpu: float) -> Time:
    """Return a time with its processor time."""
    shortest = Time(wall)
    shortest.cpu = cpu
    return shortest


def best(function, runs: int) -> Time:
    """Return the shortest time of `runs` runs.

    On a busy machine processor time is more informative than wall time.
    """
    times = []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return seconds(*(min(column) for column in zip(*times, strict=True)))


def data(n=IMAGES, p=FEATURES, u=UNITS):
    """Return features with a decaying spectrum, and units that are noisy linear combinations of them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p)) * np.arange(1, p + 1) ** -0.5
    X = X @ np.linalg.qr(rng.normal(size=(p, p)))[0]
    Y = X @ rng.normal(size=(p, u)) + 2 * rng.normal(size=(n, u))
    return X, Y


def time_pls(runs: int) -> dict:
    """Time PLS with 25 components for all units, one split, against scikit-learn one unit at a time."""
    from sklearn.cross_decomposition import PLSRegression

    X, Y = data()
    train, rest = np.arange(TRAIN), np.arange(TRAIN, IMAGES)
    found = {}

    def ours():
        found["ours"] = pls.fit_predict(X, Y, train, rest, 25)

    def theirs(units):
        fits = [PLSRegression(25, scale=False, tol=1e-12).fit(X[train], Y[train, k]) for k in units]
        found["theirs"] = np.column_stack([fit.predict(X[rest]).ravel() for fit in fits])

    some = range(0, UNITS, 4)  # a quarter of the units, as they are fitted one by one
    mine, peers = best(ours, runs), []
    for threads in {1, THREADS}:  # its products are so small that one thread is faster on some machines
        with threadpool_limits(limits=threads):
            peers.append(best(lambda: theirs(some), 3) * (UNITS / len(some)))
    peer = min(peers)
    return {
        "work": f"PLS-25 of {UNITS} units, one split",
        "seconds": mine,
        "peer": f"scikit-learn one by one ({len(some)}, scaled)",
        "peer_seconds": peer,
        "difference": float(np.abs(found["ours"][:, list(some)] - found["theirs"]).max()),
    }


def time_rdm(runs: int) -> dict:
    """Time a correlation RDM against rsatoolbox."""
    import rsatoolbox

    X, _ = data()
    dataset = rsatoolbox.data.Dataset(X)
    mine = best(lambda: rdm.rdm(X), 3 * runs)
    peer = best(lambda: rsatoolbox.rdm.calc_rdm(dataset, "correlation"), 3 * runs)
    theirs = rsatoolbox.rdm.calc_rdm(dataset, "correlation").get_vectors()[0]
    difference = float(np.abs(theirs - rdm.rdm(X).distances).max())
    return {
        "work": "correlation RDM",
        "seconds": mine,
        "peer": "rsatoolbox",
        "peer_seconds": peer,
        "difference": difference,
    }


def time_bootstrap(n_images: int, draws: int, peer_draws: int) -> dict:
    """Time a bootstrap over images of 4 RDMs with both ceilings against rsatoolbox."""
    from rsatoolbox.inference import boot_noise_ceiling, bootstrap_sample_pattern
    from rsatoolbox.rdm import RDMs, compare

    rng = np.random.default_rng(0)
    base = rng.normal(size=(n_images, 100))
    one = [rdm.rdm(base + rng.normal(size=base.shape)) for _ in range(5)]
    model, data_rdms = (RDMs(np.stack([r.distances for r in part])) for part in (one[:1], one[1:]))

    def theirs():
        np.random.seed(0)  # noqa: NPY002  (rsatoolbox draws from the global state)
        for _ in range(peer_draws):
            sample, index = bootstrap_sample_pattern(data_rdms)
            compare(model.subsample_pattern("index", index), sample, "spearman")
            boot_noise_ceiling(sample, "spearman")

    mine = best(lambda: bootstrap.bootstrap_rsa(one[:1], one[1:], "spearman", draws), 3) * (1000 / draws)
    peer = best(theirs, 1) * (1000 / peer_draws)
    return {
        "work": f"1000 draws of {n_images} images, 4 RDMs, both ceilings",
        "seconds": mine,
        "peer": f"rsatoolbox ({peer_draws} draws, scaled)",
        "peer_seconds": peer,
    }


def time_ridge(runs: int) -> list[dict]:
    """Time ridge with 30 penalties, chosen for each unit, against himalaya and RidgeCV."""
    from sklearn.linear_model import RidgeCV

    X, Y = data()
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    alphas = np.logspace(-4, 4, 30)
    folds = np.arange(IMAGES) * 5 // IMAGES  # the contiguous folds of KFold(5)
    rows, none = np.arange(IMAGES), np.arange(0)
    result = []
    five = best(lambda: ridge.fit_predict(X, Y, rows, none, alphas, folds, intercept=False), runs)
    chosen = ridge.fit_predict(X, Y, rows, none, alphas, folds, intercept=False)[1]
    one = best(lambda: ridge.fit_predict(X, Y, rows, none, alphas), runs)
    try:
        from himalaya.kernel_ridge import KernelRidgeCV

        peer = KernelRidgeCV(alphas=alphas, kernel="linear", cv=5)
        taken = best(lambda: peer.fit(X, Y), runs)
        agree = float(np.mean(np.isclose(peer.best_alphas_, chosen)))
        result.append(
            {
                "work": "ridge, 30 penalties, 5 folds",
                "seconds": five,
                "peer": "himalaya KernelRidgeCV",
                "peer_seconds": taken,
                "same_choice": agree,
            }
        )
    except ImportError:
        print("himalaya is not installed: skipped")
    peer = RidgeCV(alphas, alpha_per_target=True)
    taken = best(lambda: peer.fit(X, Y), runs)
    agree = float(np.mean(peer.alpha_ == ridge.fit_predict(X, Y, rows, none, alphas)[1]))
    name = "scikit-learn RidgeCV (leave one out)"
    result.append({"work": "ridge, 30 penalties, 5 folds", "seconds": five, "peer": name, "peer_seconds": taken})
    result.append(
        {
            "work": "ridge, 30 penalties, leave one out",
            "seconds": one,
            "peer": name,
            "peer_seconds": taken,
            "same_choice": agree,
        }
    )
    return result


def growth(runs: int) -> dict:
    """Time PLS with 5 folds and the RDM as images, features and units grow."""
    curves: dict = {"images": [], "features": [], "units": []}
    for axis, sizes in (
        ("images", size((250, 500, 1000, 2000), (50, 100))),
        ("features", size((300, 600, 1250, 2500), (50, 100))),
        ("units", size((25, 50, 100, 200), (4, 8))),
    ):
        for number in sizes:
            shape = {"images": IMAGES // 2, "features": FEATURES // 2, "units": UNITS // 2} | {axis: number}
            X, Y = data(shape["images"], shape["features"], shape["units"])
            folds = np.arange(len(X)) % 5
            curves[axis].append(
                {
                    **shape,
                    "pls_seconds": best(lambda X=X, Y=Y, f=folds: pls.cross_predict(X, Y, f, 25), runs),
                    "rdm_seconds": best(lambda X=X: rdm.rdm(X), runs),
                }
            )
    return curves


def memory() -> list[dict]:
    """Return the peak memory of each computation, in bytes, with the size of its inputs and its bound."""
    X, Y = data()
    train = np.arange(TRAIN)
    square = IMAGES * IMAGES * 8
    rng = np.random.default_rng(0)
    base = rng.normal(size=(IMAGES, 100))
    five = [rdm.rdm(base + rng.normal(size=base.shape)) for _ in range(5)]
    kinds = {
        "PLS-25, 5 folds": (lambda: pls.cross_predict(X, Y, np.arange(IMAGES) % 5, 25), X.nbytes + Y.nbytes),
        "PLS-25, one split": (lambda: pls.fit_predict(X, Y, train, np.arange(TRAIN, IMAGES), 25), X.nbytes + Y.nbytes),
        "correlation RDM": (lambda: rdm.rdm(X), X.nbytes),
        "ridge, 5 folds": (
            lambda: ridge.fit_predict(X, Y, train, np.arange(TRAIN, IMAGES), ridge.ALPHAS, train % 5),
            X.nbytes + Y.nbytes,
        ),
        "bootstrap of 5 RDMs": (
            lambda: bootstrap.bootstrap_rsa(five[:1], five[1:], n_draws=4),
            sum(r.distances.nbytes for r in five),
        ),
        "noise ceiling of 4 RDMs": (
            lambda: noise_ceiling(five[1:]),
            sum(r.distances.nbytes for r in five[1:]),
        ),
    }
    result = []
    for work, (function, inputs) in kinds.items():
        function()  # first, so that modules such as torch are loaded
        tracemalloc.start()  # numpy reports its arrays; the inputs, allocated before, are added
        function()
        peak = tracemalloc.get_traced_memory()[1] + inputs
        tracemalloc.stop()
        result.append({"work": work, "inputs": inputs, "peak": peak, "bound": 3 * inputs + square})
    return result


def main() -> None:
    """Run everything and write the results beside this file."""
    warnings.simplefilter("ignore")
    tasks = (
        lambda: [time_rdm(5)],
        lambda: [time_pls(15)],
        lambda: [time_bootstrap(IMAGES, *size((200, 3), (10, 1)))],
        lambda: [time_bootstrap(*size((92, 1000, 50), (20, 20, 2)))],
        lambda: time_ridge(9),
    )
    rows = []
    with threadpool_limits(limits=THREADS):
        for task in tasks:
            for row in task():
                mine, peer = row["seconds"], row["peer_seconds"]
                row |= {"cpu": mine.cpu, "peer_cpu": peer.cpu, "ratio": float(peer) / float(mine)}
                row["ratio_cpu"] = peer.cpu / mine.cpu
                rows.append(row)
                ours, theirs = f"{row['seconds']:9.3f} s", f"{row['peer']:38s} {row['peer_seconds']:9.2f} s"
                print(
                    f"{row['work']:52s} {ours}  {theirs}  x{row['ratio']:.1f} (cpu x{row['ratio_cpu']:.1f})", flush=True
                )
        curves, held = growth(2), memory()
    for row in held:
        print(f"{row['work']:28s} peak {row['peak'] / 1e6:7.1f} MB, bound {row['bound'] / 1e6:7.1f} MB")
    blas = sorted({library["architecture"] for library in threadpool_info() if library["user_api"] == "blas"})
    machine = {"machine": platform.machine(), "threads": THREADS, "blas": blas}
    out = machine | {"times": rows, "growth": curves, "memory": held}
    keep("compare", out)


if __name__ == "__main__":
    numerics.restart()
    main()
