"""The report's search and HMO (2014) at full size on a GPU, and what a GPU finds beside what the processor finds.

Run from the root of the project, at once or in pieces, which all write to benchmarks/gpu.json:

    NNN_DEVICE=cuda python -m benchmarks.gpu                         # all pieces
    NNN_DEVICE=cuda python -m benchmarks.gpu scores                  # the same trainings and modules on both
    NNN_DEVICE=cuda python -m benchmarks.gpu report [CANDIDATES]     # the report's HMO
    NNN_DEVICE=cuda python -m benchmarks.gpu hmo                     # HMO (2014)

As many images as in the report, of a larger simulated experiment. Without NNN_DEVICE all is computed on the processor,
where the full size takes hours; the small mode (``NNN_BENCHMARK=small``) takes seconds.
"""

import json
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import ks_2samp

from analysis import environment, params, runtime
from analysis.models import boosting, first_stage, hmo, hmo_report
from analysis.models.data import Examples
from analysis.models.hmo_layers import Module
from analysis.models.network import Standardise
from analysis.models.random_cnn import random_module
from analysis.models.registry import Job
from analysis.models.training import Split, scores
from analysis.runtime import fixed_threads
from benchmarks import halving, models, sizes
from benchmarks.hmo import drawn
from benchmarks.sizes import size

OUT = sizes.FIGURES / "gpu.json"
IMAGES, PIXELS = size((2140, 112), (60, 16))
FACES, OBJECTS = size((1150, 1000), (50, 40))
"""Near-duplicates are left out, so some more than `IMAGES`."""
CANDIDATES = size(200, 3)
TRAIN, SELECTION = 0.6, 0.15
"""Shares of the images for HMO (2014); the report has 0.8 and selects on the rest."""


def examples(selection: str) -> Examples:
    """Return the labelled images in splits: the report's, which selects on the test images, or with a validation."""
    x, y = halving.images(PIXELS, FACES, OBJECTS)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))[:IMAGES]
    place = np.arange(len(order)) / len(order)
    ends = (0.8, 0.8) if selection == "test" else (TRAIN, TRAIN + SELECTION)
    split = np.select([place < ends[0], place < ends[1]], ["train", "validation"], "test")
    table = pd.DataFrame({"group": np.arange(len(order))})
    return Examples(x[order].numpy(), table, y[order].numpy().astype(np.int8), split, selection, {})


def timed(function) -> tuple[float, object]:
    """Return the seconds that a call took, with what it started on the device, and its result."""
    start, result = time.perf_counter(), function()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def test_accuracy(network, found: Examples) -> float:
    """Return the accuracy on the test images."""
    rows, device = found.rows("test"), runtime.device()
    logits = scores(network.to(device), torch.from_numpy(found.images[rows]).to(device))
    return float((logits.argmax(1).cpu().numpy() == found.label[rows]).mean())


def report(candidates: int = CANDIDATES) -> dict:
    """Time the report's HMO with its own values: the search of the first stage, and what comes after it."""
    found = examples("test")
    own = {"size": PIXELS, "final_epochs": 5, "copies": 1, "modules": size(10, 2)}
    chosen = models.entry(candidates=candidates, kept=min(10, candidates), **own)
    with tempfile.TemporaryDirectory() as folder, fixed_threads():
        os.environ["NNN_STORE"] = folder
        job = Job("benchmark", chosen, found, 1, runtime.device(), Path(folder), lambda *_: None, {})
        searched, (tried, kept) = timed(lambda: first_stage.find(job, *hmo_report.images_of(job)))
        rest, fitted = timed(lambda: hmo_report.fit(job))  # finds the search finished
    reached = [candidate.metrics["accuracy"] for candidate in tried.values() if "failed" not in candidate.metrics]
    return about(found) | {
        "candidates": candidates,
        "epochs": chosen.epochs[-1],
        "batch": chosen.batch,
        "failed": candidates - len(reached),
        "seconds": {"search": searched, "upper stages": rest},
        "candidates_per_minute": 60 * candidates / searched,
        "accuracy_of_kept": [tried[number].metrics["accuracy"] for number in kept],
        "median_accuracy": float(np.median(reached)),
        "test_accuracy": test_accuracy(fitted.network, found),
    }


def hmo_2014() -> dict:
    """Time HMO (2014) with the values of the default, at the full size."""
    found = examples("validation")
    chosen = params.load().models.entry("hmo").model_copy(update={"size": PIXELS, **size({}, {"grid": 2})})
    n = chosen.first.modules * chosen.first.candidates + chosen.second.modules * chosen.second.candidates
    with tempfile.TemporaryDirectory() as folder, fixed_threads():
        job = Job("benchmark", chosen, found, 1, runtime.device(), Path(folder), lambda *_: None, {})
        seconds, fitted = timed(lambda: hmo.fit(job))
    return about(found) | {
        "candidates": n,
        "seconds": seconds,
        "candidates_per_minute": 60 * n / seconds,
        "rounds": fitted.notes["rounds"],
        "test_accuracy": test_accuracy(fitted.network, found),
    }


def about(found: Examples) -> dict:
    """Return what a figure has to be read with, after it was measured."""
    stamp = environment.stamp()
    used = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return {name: stamp[name] for name in ("device", "cuda", "driver", "torch", "cpu")} | {
        "gigabytes_of_device": round(used / 1e9, 1),
        "workers": runtime.workers(),
        "images": len(found.label),
        "pixels": found.images.shape[-1],
        "splits": {name: len(found.rows(name)) for name in ("train", "validation", "test")},
    }


def both(n: int = size(40, 2), epochs: int = size(12, 1), modules: int = size(16, 2)) -> dict:
    """Train the same candidates, and judge the same modules of HMO (2014), on the device and on the processor.

    The candidates are those of ``benchmarks.models accuracy``, which says more of them.
    """
    device = runtime.device()
    x, y = halving.images()
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    splits = tuple(Split(x[part], y[part]) for part in (order[: halving.TRAIN], order[halving.TRAIN :]))
    on_device = tuple(Split(split.x.to(device), split.y.to(device)) for split in splits)
    standardise = Standardise().measure(splits[0].x)
    values = [random_module(models.entry(size=halving.SIZE), 2, "benchmark", number) for number in range(n)]

    def trained(precision: str, numbers=range(n)) -> list:
        fit = partial(models._fit_alone, on_device, standardise, models.entry(precision=precision, size=halving.SIZE))
        return [fit(epochs, number, values[number]) for number in numbers]

    with ProcessPoolExecutor(runtime.workers(), halving.SPAWN) as pool:
        fit = partial(models._fit_alone, splits, standardise, models.entry(size=halving.SIZE), epochs)
        expected = list(pool.map(fit, range(n), values))
    result = {
        "candidates": n,
        "epochs": epochs,
        "processor": models.reached([one.metrics["accuracy"] for one in expected]),
    }
    for precision in ("float32", "bfloat16"):
        found = trained(precision)
        again = trained(precision, range(min(n, 8)))
        same = [one.metrics == other.metrics for one, other in zip(again, found, strict=False)]
        result[f"device, {precision}"] = compared(found, expected) | {"again": len(same), "same_again": sum(same)}
    return result | {"modules": judged_on_both(x[order], y[order].numpy(), device, modules)}


def compared(found: list, expected: list) -> dict:
    """Return the accuracies of candidates and how they differ from those of the same ones elsewhere."""
    own, other = ([one.metrics["accuracy"] for one in side] for side in (found, expected))
    difference, half = halving.mean_and_half_width(list(np.subtract(own, other)))
    apart = {"difference": difference, "half_width_95": half, "ks_p": float(ks_2samp(own, other).pvalue)}
    return models.reached(own) | apart | {"largest_difference": float(np.abs(np.subtract(own, other)).max())}


def judged_on_both(x: torch.Tensor, y: np.ndarray, device: str, n: int) -> dict:
    """Return how far maps and losses of the same modules differ between the device and the processor."""
    entry, count = params.load().models.entry("hmo"), size(400, 24)
    x, y = x[:count], y[:count]
    screening = hmo.Screening.of(y, np.arange(count), 3, entry.penalty, 0)
    weights = boosting.balanced(screening.y)
    maps, losses, relative = [], [], 0.0
    with fixed_threads():
        for number, one in enumerate(drawn(entry, 1)[:n]):
            module = Module(3, one).draw(number)
            maps = [hmo.maps_of(module.to(where), x.to(where), 2).cpu() for where in ("cpu", device)]
            relative = max(relative, float((maps[1] - maps[0]).abs().max() / maps[0].abs().max()))
            losses.append(
                [boosting.weighted_error(weights, screening.y, screening.decisions(one, weights)) for one in maps]
            )
    apart = np.abs(np.diff(np.array(losses), axis=1))
    return {"modules": len(losses), "largest_of_maps": relative, "largest_of_losses": float(apart.max())}


PIECES = {"scores": both, "report": report, "hmo": hmo_2014}


def main(piece: str | None = None, *numbers: str) -> None:
    """Run one piece, or all, and write the figures of each as it ends."""
    for name in [piece] if piece else PIECES:
        found = PIECES[name](*map(int, numbers))
        print(json.dumps(found, indent=1), flush=True)
        known = json.loads(OUT.read_text()) if OUT.exists() else {}
        sizes.keep("gpu", known | {name: found})


if __name__ == "__main__":
    main(*sys.argv[1:])
