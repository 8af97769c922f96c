"""What each part of HMO (2014) contributes, next to the report's HMO, Gabor energy and a plain CNN at similar cost.

Run from the root of the project, after the stage stimuli:

    python -m benchmarks.hmo_parts        # writes benchmarks/hmo_parts.json; resumes where it was stopped

Each seed draws a new split of the images, with near-duplicates together, new filters and new initial weights; all
variants share them, so differences are paired. Parameters are those of params.yaml except `SIZES` and the change that
names a variant. The base is boosting as published: no shrinkage, no early stopping, screening on faces only.

The rule, set before the first run: a part becomes the default if the finished model's balanced out-of-fold error on the
training images is on average no higher than the base's. That error is for the label, with three draws of folds that no
search has seen and the fixed C of the search. Early stopping, which saves time, likewise needs only an equal error.
Test images decide nothing. C of the final read-out is chosen on the validation images from the long range, so the short
range (up to 10) needs no separate fit.
"""

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from analysis import params
from analysis.core import numerics, settings
from analysis.core.files import write_text
from analysis.core.numerics import fixed_threads
from analysis.core.seeds import seed_of
from analysis.models import data, registry
from analysis.models.data import Examples
from analysis.models.registry import Job
from analysis.models.train.training import scores
from analysis.models.yamins_hmo import boosting, svm
from analysis.models.yamins_hmo.network import maps_of
from analysis.models.yamins_hmo.screening import Screening
from analysis.statistics.inference import student_interval
from benchmarks.sizes import FIGURES, keep, size

SEEDS = size(5, 2)
PIXELS = size(48, 16)
BASE = {"shrinkage": 1.0, "patience": None, "tasks": "face", "weights": "boosting"}
PARTS = {
    "base": {},
    "shrinkage .5": {"shrinkage": 0.5},
    "stopping": {"patience": 1},
    "several tasks": {"tasks": "categories"},
    "all three": {"shrinkage": 0.5, "patience": 1, "tasks": "categories"},
    "no boosting": {"weights": "none"},
}
SIZES = {
    "hmo": {
        "size": PIXELS,
        "first": {"modules": 4, "candidates": size(8, 2)},
        "second": {"modules": 5, "candidates": size(4, 2)},
        "n_filt": size([[16, 32], [16, 48], [48, 96]], [[8, 16]]),
        **size({}, {"grid": 4, "top": 40}),
    },
    "hmo_report": {
        "size": PIXELS,
        "candidates": size(12, 2),
        "kept": size(5, 1),
        "modules": size(5, 1),
        "filters": [8, 16, 32],
        "kernels": [3, 5, 7],
        "epochs": size([6, 24], [1]),
        **size({}, {"final_epochs": 1, "top": 24}),
    },
    "simple_cnn": {"size": PIXELS, "filters": [16, 32, 64], "kernel": 5} | size({}, {"epochs": 1}),
    "gabor": {"size": PIXELS},
}
SHORT = 10.0
"""Largest C of the former default range."""
FOLD_DRAWS = 3
BEGUN = FIGURES / "hmo_parts.partial.json"


def entry_of(values, name: str):
    """Return the model and its entry: a variant of HMO, or a rival."""
    model = "hmo" if name in PARTS else name
    entry = values.models.entry(model)
    changed = SIZES[model] | (BASE | PARTS[name] if name in PARTS else {})
    return model, type(entry).model_validate(entry.model_dump() | changed)


def split_anew(found: Examples, seed: int) -> Examples:
    """Return the examples with a new split by near-duplicate groups; the split sizes stay the same."""
    groups = found.table["group"].to_numpy()
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    place = dict(zip(names, np.arange(len(names)) / len(names), strict=True))
    at = np.array([place[group] for group in groups])
    split = np.select([at < 0.6, at < 0.75], ["train", "validation"], "test")
    return Examples(found.images, found.table, found.label, split, found.selection, found.digest)


def measure(values, name: str, number: int) -> dict:
    """Train one variant or rival with one seed; return its errors and processor seconds."""
    model, entry = entry_of(values, name)
    seed = seed_of(values.seed, "hmo_parts", number)
    found = split_anew(data.load(entry.rules), seed)
    with tempfile.TemporaryDirectory() as folder, fixed_threads():
        job = Job(model, entry, found, seed, settings.device(), Path(folder), lambda *_: None, {"seed": seed})
        start = time.process_time()
        fitted = registry.kind(entry.kind).fit(job)
        seconds = time.process_time() - start
        x = registry.kind(entry.kind).inputs(found, fitted.architecture)
        row = {"cpu_seconds": round(seconds, 1)} | {
            f"{split}_error": _error(fitted.network, x, found, split) for split in ("validation", "test")
        }
        row["test_accuracy"] = _accuracy(fitted.network, x, found)
        if name in PARTS:
            row |= {"search": fitted.metrics["search"], "rounds": fitted.notes["rounds"]}
            row |= _out_of_fold(fitted.network, x, found, entry, seed)
            row |= _short_range(fitted, x, found, entry)
    return row


def _decision(network, x: torch.Tensor, rows: np.ndarray) -> np.ndarray:
    logits = torch.cat([scores(network, part) for part in x[torch.from_numpy(rows)].split(64)])
    return (logits[:, 1] - logits[:, 0]).numpy()


def _error(network, x: torch.Tensor, found: Examples, split: str) -> float:
    rows = found.rows(split)
    y = np.where(found.label[rows] == 1, 1.0, -1.0)
    return boosting.weighted_error(boosting.balanced(y), y, _decision(network, x, rows))


def _accuracy(network, x: torch.Tensor, found: Examples) -> float:
    rows = found.rows("test")
    return float(((_decision(network, x, rows) > 0) == (found.label[rows] == 1)).mean())


def _out_of_fold(network, x: torch.Tensor, found: Examples, entry, seed: int) -> dict:
    """Return the out-of-fold error of the finished model's outputs, with folds that no search has seen."""
    rows = found.rows("train")
    top = maps_of(lambda batch: network.maps(batch)["L4"], x[torch.from_numpy(rows)], None)
    groups, errors = found.table["group"].to_numpy()[rows], []
    for draw in range(FOLD_DRAWS):
        screening = Screening.of(found.label[rows], groups, entry.folds, entry.C, seed_of(seed, "judged", draw))
        weights = boosting.balanced(screening.y)
        errors.append(boosting.weighted_error(weights, screening.y, screening.decisions(top, weights)))
    return {"out_of_fold_error": float(np.mean(errors))}


def _short_range(fitted, x: torch.Tensor, found: Examples, entry) -> dict:
    """Return what the short range of C would have chosen, and its test error."""
    errors = fitted.notes["selection_error"]
    C = min((C for C in entry.Cs if C <= SHORT), key=lambda C: (errors[str(C)], C))
    rows = found.rows("train")
    y = np.where(found.label[rows] == 1, 1.0, -1.0)[None]
    network = fitted.network
    top = maps_of(lambda batch: network.maps(batch)["L4"], x[torch.from_numpy(rows)], None)
    network.read_out.set(svm.fit(top, y, boosting.balanced(y), C))
    return {"short_range_C": C, "short_range_test_error": _error(network, x, found, "test")}


def summarise(done: dict) -> dict:
    """Return mean errors of each variant and rival, and differences from the base over seeds, with 95 % intervals."""
    table = {}
    for name in dict.fromkeys(key.rpartition(", ")[0] for key in done):
        seeds = [number for number in range(SEEDS) if f"{name}, {number}" in done]
        rows, base = ([done[f"{one}, {number}"] for number in seeds] for one in (name, "base"))
        measures = [key for key in ("out_of_fold_error", "validation_error", "test_error") if key in rows[0]]
        table[name] = {"seeds": len(seeds), "cpu_seconds": float(np.mean([row["cpu_seconds"] for row in rows]))}
        table[name]["test_accuracy"] = _interval([row["test_accuracy"] for row in rows])
        for key in measures:
            of_all = np.array([row[key] for row in rows])
            table[name][key] = {"mean": float(of_all.mean())}
            if name != "base":
                table[name][key]["difference"] = _interval(of_all - [row[key] for row in base])
        if "search" in rows[0]:
            table[name] |= _of_search(rows)
    return table


def _of_search(rows: list[dict]) -> dict:
    gain = {
        stage: _interval(
            [row["search"][stage]["error_of_kept"] - row["search"][stage]["error_of_first"] for row in rows]
        )
        for stage in ("first", "second")
        if "error_of_first" in rows[0]["search"][stage]
    }
    return {
        "kept": {stage: [row["search"][stage]["modules"] for row in rows] for stage in ("first", "second")},
        "kept_less_first": gain,
        "C": [row["search"]["C"] for row in rows],
        "at_edge": sum(row["search"]["C_at_edge"] for row in rows),
        "at_edge_of_short_range": sum(row["short_range_C"] == SHORT for row in rows),
        "short_range_less_long_test_error": _interval(
            [row["short_range_test_error"] - row["test_error"] for row in rows]
        ),
    }


def _interval(values) -> dict:
    found = student_interval(np.asarray(values, float))
    return {name: None if np.isnan(value) else float(value) for name, value in asdict(found).items()}


def main() -> None:
    """Train what is missing, saving each result as it ends, and summarise."""
    values = params.load()
    rivals = [name for name in SIZES if name != "hmo" and name in values.models.kinds()]
    done = json.loads(BEGUN.read_text(encoding="utf-8")) if BEGUN.exists() else {}
    for number in range(SEEDS):
        for name in [*PARTS, *rivals]:
            if (key := f"{name}, {number}") not in done:
                done[key] = measure(values, name, number)
                write_text(BEGUN, json.dumps(done))
                print(key, {k: v for k, v in done[key].items() if k not in ("search", "rounds")}, flush=True)
    keep("hmo_parts", {"pixels": PIXELS, "seeds": SEEDS, "runs": done, "summary": summarise(done)})
    BEGUN.unlink()


if __name__ == "__main__":
    numerics.restart()
    main()
