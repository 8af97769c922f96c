"""The report's search with and without pruning: what successive halving saves, and what it costs in accuracy.

Run from the root of the project (training takes minutes on a GPU, two hours on two processors):

    NNN_DEVICE=cuda python -m benchmarks.halving FOLDER        # writes benchmarks/halving.json

FOLDER keeps the history of each candidate, epoch by epoch; finished candidates are not trained again, so an interrupted
run resumes, and candidates trained on a GPU can be evaluated elsewhere. The cost of an epoch is timed on the processor.

A candidate trained in steps equals one trained at once (tests/models), so training every candidate to the end, scored
after each epoch, shows what each search would choose and what it would cost. There are as many candidates, kept
candidates and training images as in the report; other parameters are those of the default (`models.hmo_report`) except
image size, numbers of filters, batch size and epochs. Each seed draws a new split of the images, new candidates and new
weights. A pruned search is compared with one that trains all candidates to the same epoch and keeps those with the
highest accuracy there, as in the report.
"""

import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from analysis import params
from analysis.core import numerics, settings
from analysis.core.files import write_text
from analysis.core.numerics import fixed_threads
from analysis.core.progress import track
from analysis.core.seeds import seed_of
from analysis.core.settings import workers
from analysis.models.network import Standardise
from analysis.models.report_hmo import first_layer
from analysis.models.report_hmo.random_cnn import random_module
from analysis.models.train.augment import augmenter
from analysis.models.train.training import Plan, Split, scores, train_network
from analysis.neural.scoring import number
from analysis.params.hmo import ReportHMO
from analysis.simulate.render import render
from analysis.simulate.scenes import Scene, draw_scenes
from analysis.statistics.inference import student_interval
from analysis.stimuli.images import pad
from benchmarks.sizes import keep, size

SPAWN = multiprocessing.get_context("spawn")
"""Torch and its thread pools do not survive a fork."""
FEW = 200
"""Fewer images are rendered in this process, because starting others takes as long."""
SIZE, FILTERS, KERNELS, BATCH = 24, [8, 16], [3, 5, 7], 32
ENDS = (5, 24)
"""Last epoch of the searches: that of the report, and one that lets candidates converge further."""
CANDIDATES, KEPT = size((200, 10), (3, 1))
SEEDS = range(20, size(25, 22))
"""Seeds on which no rule was chosen."""
TRAIN, SELECTION = size((2140, 500), (24, 12))
FACES, OBJECTS, PAREIDOLIA = size((1850, 1650, 200), (30, 24, 6))
SHARE = 16
"""Number of candidates, of these small images, that share a GPU."""
SEARCHES = {
    "24 epochs, pruned by half": {"epochs": [6, 24], "reduction": 2, "promising": "accuracy"},
    # Chosen among about a hundred rules on seeds 5 to 9 (60 candidates): about the fastest without a loss, and of those
    # that save 5 x or more the one with the smallest loss.
    "24 epochs, pruned gently": {"epochs": [3, 6, 12, 24], "reduction": 3, "promising": "lowest_loss"},
    "24 epochs, pruned in small steps": {"epochs": [2, 3, 4, 6, 10, 24], "reduction": 2, "promising": "accuracy"},
    # Chosen on seeds before those (38 candidates, 12 epochs).
    "24 epochs, pruned": {"epochs": [2, 4, 8, 24], "reduction": 3, "promising": "lowest_loss"},
    "5 epochs, pruned": {"epochs": [2, 4, 5], "reduction": 3, "promising": "lowest_loss"},
}
"""By name: epochs after which candidates are compared, of how many one goes on, and the criterion."""


def images(pixels: int = SIZE, faces: int = FACES, objects: int = OBJECTS) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images of a larger experiment, uint8, and whether each shows a face; without near-duplicates."""
    sizes = {"faces": faces, "objects": objects, "pareidolia": PAREIDOLIA, "unlabelled": 4}
    scenes = draw_scenes(params.load().simulate.model_copy(update=sizes), seed=7)
    scenes = [scene for scene in scenes if scene.annotated and scene.original == scene.index]
    if len(scenes) < FEW:
        x = np.stack([_drawn(pixels, scene) for scene in scenes])
    else:
        with ProcessPoolExecutor(workers(), SPAWN) as pool:
            x = np.stack(list(pool.map(partial(_drawn, pixels), scenes, chunksize=16)))
    return torch.from_numpy(x), torch.tensor(
        [scene.category not in ("object", "pareidolia") for scene in scenes]
    ).long()


def _drawn(pixels: int, scene: Scene) -> np.ndarray:
    return pad(Image.fromarray(render(scene)[0]), pixels)


def train_one(folder: str, x: torch.Tensor, y: torch.Tensor, chosen: ReportHMO, place: tuple[int, int]) -> None:
    """Train one candidate of one seed; save its history and its accuracies on the test images."""
    number, seed = place
    left = len(y) - TRAIN - SELECTION
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed)).to(y.device)
    train, selection, tests = (Split(x[part], y[part]) for part in order.split([TRAIN, SELECTION, left]))
    standardise = Standardise()
    standardise.fit(train.x)
    plan = Plan(ENDS[-1], chosen.batch, chosen.learning_rate, augment=augmenter(chosen.augment))
    values, own = random_module(chosen, seed, "halving", number), seed_of(seed, "halving", number)
    network = first_layer.initial(values, standardise, own).to(y.device, memory_format=torch.channels_last)
    tested = {}

    def test(epoch: int, _metrics: dict) -> None:
        if epoch + 1 in ENDS:
            tested[epoch + 1] = float((scores(network, tests.x).argmax(1) == tests.y).double().mean())

    history = train_network(network, train, selection, plan, own, on_epoch=test)
    write_text(_kept(folder, place), json.dumps({"history": history, "tested": tested, "values": values}))


def train_all(folder: str, x: torch.Tensor, y: torch.Tensor, chosen: ReportHMO) -> None:
    """Train the candidates that are missing from a folder, in parallel."""
    places = [(number, seed) for number in range(CANDIDATES) for seed in SEEDS]
    missing = [place for place in places if not _kept(folder, place).exists()]
    if (device := settings.device()).startswith("cuda"):
        pool, x, y = ThreadPoolExecutor(SHARE), x.to(device), y.to(device)
    else:
        pool = ProcessPoolExecutor(workers(), SPAWN, initializer=_alone)
    with fixed_threads(1), pool:
        for _ in track(pool.map(partial(train_one, folder, x, y, chosen), missing), "candidates", len(missing)):
            pass


def _alone() -> None:
    numerics.keep_memory()
    torch.set_num_threads(1)


def costs(found: list[dict], x: torch.Tensor, y: torch.Tensor, chosen: ReportHMO) -> dict[str, float]:
    """Return processor seconds per epoch by candidate hyperparameters, timed one after another with one thread."""
    train, selection = Split(x[:TRAIN], y[:TRAIN]), Split(x[:SELECTION], y[:SELECTION])
    plan = Plan(1, chosen.batch, chosen.learning_rate, augment=augmenter(chosen.augment))
    result: dict[str, float] = {}
    with fixed_threads(1):
        for one in track(found, "candidates timed"):
            if (name := json.dumps(one["values"])) not in result:
                network = first_layer.initial(one["values"], Standardise(), 1).to(memory_format=torch.channels_last)
                start = time.process_time()
                train_network(network, train, selection, plan, 1)
                result[name] = time.process_time() - start
    return result


def _kept(folder: str, place: tuple[int, int]) -> Path:
    return Path(folder) / "seed{1}-candidate{0}.json".format(*place)


def judge(found: dict[int, list[dict]], chosen: ReportHMO) -> tuple[dict, list[dict]]:
    """Return a summary of each search, and its results for each seed, pruned and whole."""
    rows = [
        {"seed": seed}
        | {
            name: {
                "pruned": search(candidates, chosen.model_copy(update=rule)),
                "whole": search(candidates, chosen.model_copy(update={"epochs": rule["epochs"][-1:]})),
            }
            for name, rule in SEARCHES.items()
        }
        for seed, candidates in found.items()
    ]
    return {name: rule | summary(name, rows) for name, rule in SEARCHES.items()}, rows


def search(found: list[dict], chosen: ReportHMO) -> dict:
    """Return the cost of one search over trained candidates, and the mean test accuracy of those it would keep."""
    spent = {"cpu": 0.0, "epochs": 0}

    def run_rung(numbers: list[int], rung: int, epochs: int) -> dict[int, first_layer.Candidate]:
        more = epochs - (chosen.epochs[rung - 1] if rung else 0)
        spent["cpu"] += sum(found[number]["cpu"] for number in numbers) * more
        spent["epochs"] += len(numbers) * more
        summaries = {number: first_layer.summarised(found[number]["history"][:epochs]) for number in numbers}
        return {number: first_layer.Candidate(metrics, {}) for number, metrics in summaries.items()}

    best = first_layer.successive_halving(chosen, run_rung, "halving")[1]
    tested = [found[number]["tested"][str(chosen.epochs[-1])] for number in best]
    return spent | {"test_accuracy": float(np.mean(tested))}


def mean_and_half_width(differences: list[float]) -> tuple[float, float | None]:
    """Return a mean and half its 95 % interval (Student)."""
    found = student_interval(differences)
    return found.estimate, number(found.high - found.estimate)


def summary(name: str, rows: list[dict]) -> dict:
    """Return what a pruned search saves, and the paired difference in accuracy of its kept candidates, over seeds."""
    gain, half = mean_and_half_width(
        [row[name]["pruned"]["test_accuracy"] - row[name]["whole"]["test_accuracy"] for row in rows]
    )
    ratios = {
        f"ratio_of_{what}": sum(row[name]["whole"][what] for row in rows)
        / sum(row[name]["pruned"][what] for row in rows)
        for what in ("cpu", "epochs")
    }
    return ratios | {"test_accuracy_difference": gain, "half_width_95": half}


def main(folder: str) -> None:
    """Train all candidates and write what each search would choose."""
    x, y = images()
    numbers = {"candidates": CANDIDATES, "kept": KEPT}
    changed = {"size": SIZE, "filters": FILTERS, "kernels": KERNELS, "batch": BATCH} | numbers
    chosen = ReportHMO.model_validate(params.load().models.entry("hmo_report").model_dump() | changed)
    train_all(folder, x, y, chosen)
    found = {
        seed: [json.loads(_kept(folder, (number, seed)).read_text(encoding="utf-8")) for number in range(CANDIDATES)]
        for seed in SEEDS
    }
    every = [one for candidates in found.values() for one in candidates]
    timed = costs(every, x, y, chosen)
    for one in every:
        one["cpu"] = timed[json.dumps(one["values"])]
    searches, rows = judge(found, chosen)
    split = {"training_images": TRAIN, "selection_images": SELECTION, "test_images": len(y) - TRAIN - SELECTION}
    keep("halving", changed | split | {"searches": searches, "seeds": rows})
    print(json.dumps(searches, indent=1))


if __name__ == "__main__":
    numerics.restart()
    main(*sys.argv[1:])
