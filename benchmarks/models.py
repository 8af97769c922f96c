"""The report's candidates against the same networks in Keras, and against the arithmetic floor.

Run from the root of the project, after the stage stimuli, at once or in pieces of a few minutes each, which all write
to benchmarks/models.json (benchmarks/halving.py measures what pruning saves):

    python -m benchmarks.models                               # all pieces
    python -m benchmarks.models speed [KERAS_PYTHON [CANDIDATES EPOCHS]]        # identical training
    python -m benchmarks.models accuracy [KERAS_PYTHON [CANDIDATES EPOCHS]]     # the same distribution of accuracies?
    python -m benchmarks.models search [KERAS_PYTHON [CANDIDATES EPOCHS]]       # pruned, against all in Keras
    python -m benchmarks.models activations                   # images per second
    python -m benchmarks.models compilation                   # torch.compile on one candidate

Without KERAS_PYTHON, a virtual environment with tensorflow-cpu is created in a temporary folder (small mode skips
Keras). If other programs share the processors, processor time is more informative than wall time; both are written.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.stats import ks_2samp
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from analysis import params
from analysis.core import cluster, numerics
from analysis.core.numerics import THREADS, fixed_threads
from analysis.core.seeds import seed_of
from analysis.core.settings import workers
from analysis.models import data
from analysis.models.network import Standardise
from analysis.models.registry import Job
from analysis.models.report_hmo import first_layer
from analysis.models.report_hmo import network as report_hmo
from analysis.models.report_hmo.random_cnn import CandidateCNN, random_module
from analysis.models.train.augment import augmenter
from analysis.models.train.training import Plan, Split, train_network
from analysis.params.hmo import ReportHMO
from benchmarks import halving, sizes
from benchmarks.sizes import size

PEER = Path(__file__).with_name("keras_candidates.py")
TENSORFLOW = "tensorflow-cpu==2.21.0"
SIZE, IMAGES, HELD_OUT = size((112, 400, 100), (32, 24, 8))


def entry(**changed):
    """Return the parameters of the report's search, some of them changed."""
    plain = {"flip": False, "shift": 0.0, "contrast": 0.0}
    values = params.load().models.entry("hmo_report").model_dump() | {
        "size": SIZE,
        "inputs": "unit",
        "filters": [16, 32, 64],
        "kernels": [3, 5, 7],
        "epochs": [5],
        "augment": plain,
        "batch": 32,
    }
    return ReportHMO.model_validate(values | changed)


def images(pixels: int) -> tuple[Split, Split]:
    """Return `IMAGES` labelled images of the embedded experiment as uint8, `HELD_OUT` of them held out."""
    examples = data.load(params.load().models.entry("hmo_report").rules)
    rows = np.flatnonzero(examples.label >= 0)
    rows = np.random.default_rng(0).permutation(rows)[:IMAGES]
    x, y = data.resized(examples.images[rows], pixels), torch.from_numpy(examples.label[rows].astype(np.int64))
    return Split(x[HELD_OUT:], y[HELD_OUT:]), Split(x[:HELD_OUT], y[:HELD_OUT])


def keras(
    python: str | None,
    splits: tuple[Split, Split],
    drawn: list[dict],
    epochs: int,
    standardise: Standardise | None = None,
) -> list[dict]:
    """Train candidates in Keras and return its results for each; none in small mode without `python`."""
    if python is None and sizes.SMALL:
        print("no KERAS_PYTHON is named: Keras is left out")
        return []
    standardise = standardise or Standardise()
    with tempfile.TemporaryDirectory() as folder:
        if python is None:
            venv.create(f"{folder}/env", with_pip=True)
            python = f"{folder}/env/bin/python"
            subprocess.run([python, "-m", "pip", "install", "--quiet", TENSORFLOW], check=True)
        arrays = {"x_train": splits[0].x, "x_test": splits[1].x}
        arrays = {name: x.permute(0, 2, 3, 1).numpy() for name, x in arrays.items()}
        arrays |= {name: value.flatten().numpy() for name, value in standardise.state_dict().items()}
        np.savez(f"{folder}/images.npz", y_train=splits[0].y.numpy(), y_test=splits[1].y.numpy(), **arrays)
        Path(f"{folder}/candidates.json").write_text(json.dumps(drawn))
        names = [f"{folder}/{name}" for name in ("images.npz", "candidates.json", "out.json")]
        subprocess.run([python, str(PEER), *names, str(epochs)], check=True)
        return json.loads(Path(names[2]).read_text())


def timed(function) -> tuple[dict, object]:
    """Return wall and processor seconds of a call, and its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}, result


def gflops(n: int = size(2048, 256)) -> float:
    """Return the speed of a large float32 matrix product in 10^9 operations per second, which sets the floor."""
    a = torch.randn(n, n)
    with fixed_threads(THREADS):
        best = min(timed(lambda: a @ a)[0]["seconds"] for _ in range(20))
    return 2 * n**3 / best / 1e9


def training_flops(values: dict, pixels: int, n_images: int) -> float:
    """Return the operations of one training pass: forward, and backward to weights and (except for images) inputs."""
    first = first_layer.cost(values | {"layers": 1}, pixels)
    return n_images * 2 * (2 * first + 3 * (first_layer.cost(values, pixels) - first))


def speed(python: str | None, n: int = size(6, 2), epochs: int = size(2, 1)) -> dict:
    """Time identical training: Keras, ours one after another, in parallel on two workers, and the same in bfloat16."""
    splits, drawn = images(SIZE), [random_module(entry(), 1, "benchmark", number) for number in range(n)]
    peer = keras(python, splits, drawn, epochs)
    # Keras is timed while it fits; ours also evaluates after each epoch, so it gets only two images for that.
    splits = splits[0], Split(splits[1].x[:2], splits[1].y[:2])
    own = [sum(p.numel() for p in CandidateCNN(values, Standardise()).parameters()) for values in drawn]
    if peer and own != [item["parameters"] for item in peer]:
        sys.exit(f"numbers of parameters differ from Keras: {own}, {[item['parameters'] for item in peer]}")
    wall = {"keras": sum(item["seconds"] for item in peer)} if peer else {}
    cpu = {"keras": sum(item["cpu"] for item in peer)} if peer else {}
    with fixed_threads():
        one = timed(lambda: [first_layer.fit_candidate(v, splits, Standardise(), entry(), 1, epochs) for v in drawn])[0]
    wall["one after another"], cpu["one after another"] = one["seconds"], one["cpu"]
    with cluster.client_for(n, 0) as client, tempfile.TemporaryDirectory() as folder:
        first_layer._write_inputs(Path(folder) / first_layer.INPUTS, splits, Standardise())
        for turn, precision in enumerate(("float32", "float32", "bfloat16")):  # the first pass warms the workers up
            chosen = entry(precision=precision)
            order = sorted(range(n), key=lambda number: -first_layer.cost(drawn[number], SIZE))
            tasks = {
                f"{turn}-{number}": (Path(folder), number, turn, drawn[number], chosen, 1, epochs, "cpu")
                for number in order
            }
            spent, ended = timed(lambda tasks=tasks: list(cluster.run_on(client, _train, tasks, threads=1)))
            if failed := [reason for _, reason in ended if reason]:
                sys.exit(failed[0])
            name = f"side by side, {precision}"
            wall[name] = spent["seconds"]
            cpu[name] = sum(json.loads(path.read_text()) for path in Path(folder).glob(f"cpu-{turn}-*.json"))
    operations = sum(training_flops(values, SIZE, len(splits[0].y)) for values in drawn) * epochs
    rate = gflops()
    return {
        "candidates": n,
        "epochs": epochs,
        "seconds": wall,
        "cpu": cpu,
        "ratio": {name: wall["keras"] / value for name, value in wall.items() if peer},
        "ratio_cpu": {name: cpu["keras"] / value for name, value in cpu.items() if peer},
        "gflops_of_matrix_product": rate,
        "floor_seconds": operations / rate / 1e9,
        "times_the_floor": {name: value / (operations / rate / 1e9) for name, value in wall.items()},
        "load_average": os.getloadavg()[0],
    }


def _train(folder: Path, number: int, turn: int, values: dict, chosen, seed: int, epochs: int, device: str) -> None:
    """Train one candidate on a worker, from its start."""
    splits, standardise = first_layer._inputs(folder / first_layer.INPUTS, device)
    spent = timed(partial(first_layer.fit_candidate, values, splits, standardise, chosen, seed, epochs))[0]
    (folder / f"cpu-{turn}-{number}.json").write_text(json.dumps(spent["cpu"]))


def accuracy(python: str | None, n: int = size(40, 1), epochs: int = size(12, 1)) -> dict:
    """Compare the accuracies that Keras and ours reach with the same candidates, each with its own random weights.

    Parameters and number of images are those of the report, but the images are the small ones of benchmarks/halving.py:
    comparing the distributions of accuracies takes many candidates. Images are standardised identically on both sides,
    and there are more epochs than the report's 5: otherwise most candidates stay near chance, where any two trainings
    agree.
    """
    x, y = halving.images()
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    train, rest = order[: halving.TRAIN], order[halving.TRAIN :]
    splits, chosen = (Split(x[train], y[train]), Split(x[rest], y[rest])), entry(size=halving.SIZE)
    standardise = Standardise().fit(splits[0].x)
    drawn = [random_module(chosen, 2, "benchmark", number) for number in range(n)]
    peer = [item["accuracy"] for item in keras(python, splits, drawn, epochs, standardise)]
    found = {}
    with ProcessPoolExecutor(workers(), halving.SPAWN) as pool:
        for precision in ("float32", "bfloat16"):
            values = entry(precision=precision, size=halving.SIZE)
            fitted = pool.map(partial(_fit_alone, splits, standardise, values, epochs), range(n), drawn)
            own = [candidate.metrics["accuracy"] for candidate in fitted]
            found[precision] = reached(own)
            if peer:
                difference, half = halving.mean_and_half_width(np.subtract(own, peer))
                p = float(ks_2samp(own, peer).pvalue)
                found[precision] |= {"ks_p": p, "difference": difference, "half_width_95": half}
    about = {"candidates": n, "epochs": epochs, "size": halving.SIZE, "inputs": "standardised"}
    about |= {"training_images": halving.TRAIN, "test_images": len(rest)}
    return about | ({"keras": reached(peer)} if peer else {}) | found


def reached(accuracies: list[float]) -> dict:
    """Return accuracies with their mean."""
    return {"accuracy": accuracies, "mean": float(np.mean(accuracies))}


def search(python: str | None, n: int = size(20, 3), epochs: int = 4) -> dict:
    """Time whole searches: Keras trains every candidate to the end; ours prunes, in bfloat16, in parallel.

    Keras is timed for a few epochs, and those after the first are extrapolated to the rest. benchmarks/halving.py
    measures how pruning affects the kept candidates.
    """
    kept = max(1, n * halving.KEPT // halving.CANDIDATES)
    splits, chosen = images(SIZE), entry(candidates=n, kept=kept, precision="bfloat16")
    peer = keras(python, splits, [random_module(chosen, 1, "candidate", number) for number in range(n)], epochs)
    searches: dict = {}
    for name in ("24 epochs, pruned", "24 epochs, pruned gently", "5 epochs, pruned"):
        rule = halving.SEARCHES[name]
        with tempfile.TemporaryDirectory() as folder, fixed_threads():
            os.environ["NNN_STORE"] = folder
            values = chosen.model_copy(update=rule)
            job = Job("benchmark", values, None, 1, "cpu", Path(folder), lambda *_: None, {})
            spent = timed(lambda job=job: first_layer.find(job, splits, Standardise()))[0]["seconds"]
        searches[name] = rule | {"seconds": spent}
    found = {"candidates": n, "epochs_timed": epochs, "searches": searches, "load_average": os.getloadavg()[0]}
    if peer:
        first, later = (sum(np.mean(one["epochs"][part]) for one in peer) for part in (slice(1), slice(1, None)))
        for one in searches.values():
            one["keras"] = first + later * (one["epochs"][-1] - 1)
            one["ratio"] = one["keras"] / one["seconds"]
        found["keras"] = {"first_epoch": first, "epoch": later}
    return found


def _fit_alone(splits: tuple[Split, Split], standardise, values: ReportHMO, epochs: int, number: int, drawn: dict):
    """Train one candidate with one thread."""
    with fixed_threads(1):
        return first_layer.fit_candidate(drawn, splits, standardise, values, number, epochs)


def activations(n: int = size(128, 8)) -> dict:
    """Time the forward pass of the report's HMO with default parameters, and compare it with the floor."""
    chosen = params.load().models.entry("hmo_report")
    cnns = {
        layer: [random_module(chosen, 1, layer, number) for number in range(chosen.modules)]
        for layer in report_hmo.LAYERS
    }
    network = report_hmo.build({"cnns": cnns, "grid": chosen.grid, "top": chosen.top}).eval()
    network.to(memory_format=torch.channels_last)
    x = torch.randint(0, 256, (n, 3, chosen.size, chosen.size), dtype=torch.uint8)
    with torch.no_grad(), fixed_threads():
        operations = _forward_flops(network, x[:1]) * n
        spent = min(
            (timed(lambda: [network.maps(p) for p in x.split(64)])[0] for _ in range(3)), key=lambda s: s["cpu"]
        )
    rate = gflops()
    return {
        "images_per_second": n / spent["seconds"],
        "images_per_cpu_second": n / spent["cpu"],
        "gflops_of_matrix_product": rate,
        "times_the_floor": spent["seconds"] / (operations / rate / 1e9),
        "load_average": os.getloadavg()[0],
    }


def _forward_flops(network: nn.Module, x: torch.Tensor) -> float:
    with FlopCounterMode(display=False) as counter:
        network(x)
    return float(counter.get_total_flops())


def compilation(epochs: int = size(3, 1)) -> dict:
    """Time one default candidate without and with compilation: the compilation, and an epoch after it."""
    chosen = params.load().models.entry("hmo_report")
    splits, values = images(chosen.size), {"layers": 2, "filters": 16, "kernel": 5, "pool": "max", "normalise": True}
    times: dict = {"epochs": epochs}
    with fixed_threads(), tempfile.TemporaryDirectory() as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder  # empty, so that nothing compiled by an earlier run is reused
        for name in ("as it is", "compiled"):
            network = first_layer.initial(values, Standardise(), 1).to(memory_format=torch.channels_last)
            if name == "compiled":
                network.compile(backend=size("inductor", "eager"))  # the latter runs what the former would compile
            first = timed(lambda n=network: _train_network(n, splits, chosen, 1))[0]
            rest = timed(lambda n=network: _train_network(n, splits, chosen, epochs))[0]
            times[name] = {"first_epoch": first, "epoch": {key: value / epochs for key, value in rest.items()}}
    return times | {"load_average": os.getloadavg()[0]}


def _train_network(network: nn.Module, splits: tuple[Split, Split], chosen: ReportHMO, epochs: int) -> None:
    plan = Plan(epochs, chosen.batch, chosen.learning_rate, augment=augmenter(chosen.augment))
    train_network(network, *splits, plan, seed_of(1, "benchmark"))


PIECES = {
    "speed": speed,
    "accuracy": accuracy,
    "search": search,
    "activations": activations,
    "compilation": compilation,
}


def main(piece: str | None = None, python: str | None = None, *numbers: str) -> None:
    """Run one piece, or all, and write the results of each as it ends."""
    for name in [piece] if piece else PIECES:
        peer = [] if name in ("activations", "compilation") else [python or None]
        sizes.keep_piece("models", name, PIECES[name](*peer, *map(int, numbers)))


if __name__ == "__main__":
    numerics.restart()
    main(*sys.argv[1:])
