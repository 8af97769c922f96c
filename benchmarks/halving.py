"""The report's search with and without pruning: what successive halving saves, and what the ten that it keeps lose.

Run from the root of the project (a worker for each core, one thread each; some 12 minutes on two quiet cores):

    python -m benchmarks.halving FOLDER [SEEDS [CANDIDATES]]       # writes benchmarks/halving.json

FOLDER keeps what each seed's candidates did, epoch by epoch; a seed that it holds is not trained again.

A candidate trained in rungs is the one trained at once (tests/models), so one training of every candidate to the end,
judged after each epoch, says what each search would choose and what it would cost. The values are those of the default
(`models.hmo_report`) but for the size of the images, the numbers of filters and the epochs. The images are drawn as the
embedded experiment draws its own, but more of them: on the few of the default candidates stay near chance at this size,
where one choice is as good as another. Each seed draws its split of the images, its candidates and their weights anew.
"""

import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.stats import t

from analysis import params
from analysis.files import write_text
from analysis.models import first_stage
from analysis.models.augment import augmenter
from analysis.models.kinds import HMOReport
from analysis.models.network import Standardise
from analysis.models.random_cnn import random_module
from analysis.models.training import Plan, Split, fit, scores
from analysis.runtime import fixed_threads, seed_of, workers
from analysis.simulate.render import render
from analysis.simulate.scenes import draw_scenes
from analysis.stimuli.images import pad

OUT = Path(__file__).with_suffix(".json")
SIZE, FILTERS, KEPT, EPOCHS = 24, [8, 16], 10, 16
TRAIN, SELECTION = 600, 300
FACES, OBJECTS, PAREIDOLIA = 900, 800, 100
RUNGS = {
    "halved from the first epoch": [1, 2, 4, 8, 16],
    "halved from the second": [2, 4, 8, 16],
    "pruned as the default": [4, 16],
}
"""Epochs at which the better half goes on, chosen before any was measured."""


def images() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images of a larger experiment, uint8, and whether each shows a face; no near-duplicates."""
    sizes = {"faces": FACES, "objects": OBJECTS, "pareidolia": PAREIDOLIA, "unlabelled": 4}
    scenes = draw_scenes(params.load().simulate.model_copy(update=sizes), seed=7)
    scenes = [scene for scene in scenes if scene.annotated and scene.original == scene.index]
    x = np.stack([pad(Image.fromarray(render(scene)[0]), SIZE) for scene in scenes])
    return torch.from_numpy(x), torch.tensor(
        [scene.category not in ("object", "pareidolia") for scene in scenes]
    ).long()


def trained(x: torch.Tensor, y: torch.Tensor, chosen: HMOReport, seed: int) -> dict:
    """Train all candidates of a seed to the end and return their histories, processor seconds and test accuracies."""
    left = len(y) - TRAIN - SELECTION
    rows = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed)).split([TRAIN, SELECTION, left])
    train, selection, test = (Split(x[part], y[part]) for part in rows)
    standardise = Standardise()
    standardise.measure(train.x)
    plan = Plan(EPOCHS, chosen.batch, chosen.learning_rate, augment=augmenter(chosen.augment))
    found: dict[str, list] = {"histories": [], "cpu": [], "tested": [], "values": []}
    for number in range(chosen.candidates):
        values, own = random_module(chosen, seed, "halving", number), seed_of(seed, "halving", number)
        network = first_stage.initial(values, standardise, own).to(memory_format=torch.channels_last)
        start = time.process_time()
        found["histories"].append(fit(network, train, selection, plan, own))
        found["cpu"].append((time.process_time() - start) / EPOCHS)
        found["tested"].append(float((scores(network, test.x).argmax(1) == test.y).double().mean()))
        found["values"].append(values)
    return found


def searches(found: dict, chosen: HMOReport) -> dict:
    """Return what each search of a seed's candidates chooses, reaches on the test and costs."""
    return {name: _search(found, chosen, rungs) for name, rungs in ({"whole": [EPOCHS]} | RUNGS).items()} | {
        "all": {"test_accuracy": float(np.mean(found["tested"])), "best": max(found["tested"])}
    }


def _search(found: dict, chosen: HMOReport, rungs: list[int]) -> dict:
    spent = {"cpu": 0.0, "epochs": 0}

    def run_rung(numbers: list[int], rung: int, epochs: int):
        more = epochs - (rungs[rung - 1] if rung else 0)
        spent["cpu"] += sum(found["cpu"][number] for number in numbers) * more
        spent["epochs"] += len(numbers) * more
        return {number: first_stage.Candidate(found["histories"][number][epochs - 1], {}) for number in numbers}

    values = chosen.model_copy(update={"epochs": rungs})
    best = first_stage.successive_halving(values, run_rung, "halving")[1]
    return spent | {"test_accuracy": float(np.mean([found["tested"][number] for number in best]))}


def summary(rows: list[dict]) -> dict:
    """Return what each pruned search saves, and the paired difference in the accuracy of its kept, over seeds."""
    found = {}
    for name in RUNGS:
        gain = np.array([row[name]["test_accuracy"] - row["whole"]["test_accuracy"] for row in rows])
        half = float(t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else None
        found[name] = {
            f"ratio_of_{what}": sum(row["whole"][what] for row in rows) / sum(row[name][what] for row in rows)
            for what in ("cpu", "epochs")
        } | {"rungs": RUNGS[name], "test_accuracy_difference": float(gain.mean()), "half_width_95": half}
    return found


def main(folder: str, seeds: int = 5, candidates: int = 128) -> None:
    """Train the candidates of all seeds and write what each search would have chosen."""
    x, y = images()
    changed = {"size": SIZE, "filters": FILTERS, "candidates": candidates, "kept": KEPT, "epochs": [EPOCHS]}
    chosen = HMOReport.model_validate(params.load().models.entry("hmo_report").model_dump() | changed)
    numbers = {"training_images": TRAIN, "selection_images": SELECTION, "test_images": len(y) - TRAIN - SELECTION}
    missing = [seed for seed in range(seeds) if not _kept(folder, seed).exists()]
    # Torch and its thread pools do not survive a fork.
    with ProcessPoolExecutor(workers(), multiprocessing.get_context("spawn")) as pool:
        for _ in pool.map(partial(train_and_keep, folder, x, y, chosen), missing):
            pass
    kept = [json.loads(_kept(folder, seed).read_text(encoding="utf-8")) for seed in range(seeds)]
    rows = [searches(found, chosen) for found in kept]
    write_text(OUT, json.dumps(changed | numbers | {"searches": summary(rows), "seeds": rows}, indent=1) + "\n")
    print(json.dumps(summary(rows), indent=1))


def _kept(folder: str, seed: int) -> Path:
    return Path(folder) / f"seed{seed}.json"


def train_and_keep(folder: str, x: torch.Tensor, y: torch.Tensor, chosen: HMOReport, seed: int) -> None:
    """Train the candidates of a seed with one thread and keep what they did."""
    with fixed_threads(1):
        found = trained(x, y, chosen, seed)
    write_text(_kept(folder, seed), json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
