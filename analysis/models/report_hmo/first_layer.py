"""The first layer of the report's HMO: the best of many random CNNs, trained by successive halving."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from analysis.core import cluster, store
from analysis.core.errors import DataError
from analysis.core.files import write_json
from analysis.core.progress import track
from analysis.core.reading import read_json
from analysis.core.seeds import seed_of
from analysis.models.network import Standardise, glorot_, read_tensors, write_tensors
from analysis.models.registry import Job
from analysis.models.report_hmo.random_cnn import SEED_NAME, CandidateCNN, random_module
from analysis.models.train.augment import augmenter
from analysis.models.train.training import OUT_OF_MEMORY, Plan, Split, TrainingFailed, train_network
from analysis.params.hmo import ReportHMO

INPUTS = "images.safetensors"
IN_PROCESS = 12
"""Up to this many candidates are trained in this process; starting workers would take as long."""
IRRELEVANT = {"kind", "modules", "grid", "top", "final_epochs", "copies", "activations", "C"}
"""Parameters that do not affect the search."""


@dataclass(frozen=True)
class Candidate:
    """A candidate's metrics (or ``failed`` with the reason) and its weights."""

    metrics: dict
    tensors: dict[str, torch.Tensor]


def write_candidate(folder: Path, number: int, candidate: Candidate) -> None:
    """Write a finished candidate to its own file, so that an interrupted search can be resumed."""
    write_tensors(_file(folder, number), candidate.tensors, candidate.metrics)


def read_candidate(folder: Path, number: int) -> Candidate | None:
    """Read a candidate; None if it is not finished."""
    if not (path := _file(folder, number)).exists():
        return None
    tensors, metrics = read_tensors(path)
    return Candidate(metrics, {name: value.clone() for name, value in tensors.items()})


def _file(folder: Path, number: int) -> Path:
    return folder / f"candidate-{number:04d}.safetensors"


def drawn(job: Job, number: int) -> dict:
    """Return the hyperparameters of one candidate."""
    return random_module(job.entry, job.seed, "candidate", number)


def seed_of_candidate(job: Job, number: int) -> int:
    """Return the seed of one candidate's weights and training."""
    return seed_of(job.seed, SEED_NAME, "candidate", number)


def initial(values: dict, standardise: Standardise, seed: int, classes: int = 2) -> CandidateCNN:
    """Return a candidate with its initial weights."""
    network = CandidateCNN(values, standardise, classes)
    glorot_(network, torch.Generator().manual_seed(seed))
    return network


def fit_candidate(
    values: dict,
    splits: tuple[Split, Split],
    standardise: Standardise,
    entry: ReportHMO,
    seed: int,
    epochs: int,
    checkpoint: Path | None = None,
) -> Candidate:
    """Train one candidate for `epochs` epochs in total, resuming from any checkpoint, and evaluate it."""
    network = initial(values, standardise, seed, splits[0].classes)
    network.to(splits[0].y.device, memory_format=torch.channels_last)
    augment = augmenter(entry.augment)
    plan = Plan(epochs, entry.batch, entry.learning_rate, augment=augment, precision=entry.precision)
    try:
        history = train_network(network, *splits, plan, seed, checkpoint)
    except TrainingFailed as error:
        return Candidate({"failed": str(error)}, {})
    return Candidate(summarised(history), network.module.state_dict())


def summarised(history: list[dict[str, float]]) -> dict[str, float]:
    """Return the metrics that the search uses: those of the last epoch, and the lowest selection loss."""
    return history[-1] | {"lowest_loss": min(epoch["loss"] for epoch in history)}


def run_candidate(
    folder: Path, rung: int, number: int, values: dict, entry: ReportHMO, seed: int, epochs: int, device: str
) -> None:
    """Train one candidate and write it to ``folder/rung<rung>``: the task that runs on a worker."""
    splits, standardise = _inputs(folder / INPUTS, cluster.gpu_of_worker(device))
    checkpoint = folder / f"training-{number:04d}.safetensors"
    write_candidate(
        folder / f"rung{rung}", number, fit_candidate(values, splits, standardise, entry, seed, epochs, checkpoint)
    )


@lru_cache(maxsize=1)
def _inputs(path: Path, device: str) -> tuple[tuple[Split, Split], Standardise]:
    """Read what `_write_inputs` wrote, once per worker."""
    found = {name: value.clone().to(device) for name, value in read_tensors(path)[0].items()}
    standardise = Standardise()
    standardise.load_state_dict({name: found[name] for name in ("mean", "std")})
    return tuple(Split(found[f"x{place}"], found[f"y{place}"]) for place in (0, 1)), standardise


def _write_inputs(path: Path, splits: tuple[Split, Split], standardise: Standardise) -> None:
    tensors = {f"x{place}": split.x for place, split in enumerate(splits)}
    tensors |= {f"y{place}": split.y for place, split in enumerate(splits)}
    write_tensors(path, tensors | standardise.state_dict())


def cost(values: dict, size: int) -> float:
    """Return the number of multiplications in a candidate's convolutions for one image."""
    filters, area = values["filters"], [size**2 / 4**number for number in range(values["layers"])]
    return values["kernel"] ** 2 * filters * (3 * area[0] + filters * sum(area[1:]))


def find(job: Job, splits: tuple[Split, Split], standardise: Standardise) -> tuple[dict[int, Candidate], list[int]]:
    """Search, record the chosen candidates in the store, and return the result of `successive_halving`.

    Candidates run in parallel, one thread each: at these sizes that is faster than all threads on one at a time, and
    results do not depend on the number of workers. On a GPU, candidates that ran out of memory are trained again one at
    a time.
    """
    entry, gpu = job.entry, job.device.startswith("cuda")
    _write_inputs(job.folder / INPUTS, splits, standardise)

    def run_rung(numbers: list[int], rung: int, epochs: int) -> dict[int, Candidate]:
        folder = job.folder / f"rung{rung}"
        _run(job, client, rung, [number for number in numbers if read_candidate(folder, number) is None], epochs)
        if gpu:
            reasons = {number: read_candidate(folder, number).metrics.get("failed", "") for number in numbers}
            alone = [number for number, reason in reasons.items() if reason.startswith(OUT_OF_MEMORY)]
            _run(job, client, rung, alone, epochs, share=1)
        found = {number: read_candidate(folder, number) for number in numbers}
        for number, candidate in found.items():
            job.log(f"rung{rung + 1}", number, {k: v for k, v in candidate.metrics.items() if isinstance(v, float)})
        return found

    gpus = torch.cuda.device_count() if job.device == "cuda" else int(gpu)
    with cluster.client_for(entry.candidates, IN_PROCESS, gpus) as client:
        candidates, chosen = successive_halving(entry, run_rung, job.name)
    _inputs.cache_clear()
    write_json(_note(job), chosen)
    return candidates, chosen


def _run(job: Job, client, rung: int, numbers: list[int], epochs: int, share: int | None = None) -> None:
    """Train and write candidates, the most expensive first so that no worker idles at the end."""
    folder, entry = job.folder / f"rung{rung}", job.entry
    root, values = job.folder.resolve(), {number: drawn(job, number) for number in numbers}
    tasks = {
        str(number): (root, rung, number, values[number], entry, seed_of_candidate(job, number), epochs, job.device)
        for number in sorted(numbers, key=lambda number: -cost(values[number], entry.size))
    }
    gpu = job.device.startswith("cuda")
    ended = cluster.run_on(client, run_candidate, tasks, threads=1, gpu=gpu, share=share)
    for name, reason in track(ended, f"candidates of {job.name}, rung {rung + 1}", len(tasks)):
        if reason is not None and not reason.startswith(cluster.DIED):
            raise DataError(f"model {job.name}: candidate {name}: {reason}")
        if reason is not None:
            write_candidate(folder, int(name), Candidate({"failed": reason}, {}))


def choice(job: Job, splits: tuple[Split, Split], standardise: Standardise) -> list[int]:
    """Return the numbers of the chosen candidates, from an earlier search with the same parameters or from a new one.

    A new search logs nothing, so that the outputs are the same in both cases.
    """
    note = _note(job)
    if note.exists():
        return read_json(note, "remove it, and run again", list)
    return find(replace(job, log=lambda *_: None), splits, standardise)[1]


def _note(job: Job) -> Path:
    search = {"search": job.entry.model_dump(exclude=IRRELEVANT)}
    return store.note_path("choice", search | job.origin, "chosen.json")


def successive_halving(
    entry: ReportHMO, run_rung: Callable[[list[int], int, int], dict[int, Candidate]], name: str
) -> tuple[dict[int, Candidate], list[int]]:
    """Train all candidates to the first rung, the most promising to the next, and so on (Jamieson & Talwalkar 2016).

    ``run_rung(numbers, rung, epochs)`` returns candidates by number. Returns the last result of every candidate, and
    the numbers of the best that reached the last rung, best first.
    """
    numbers, last = list(range(entry.candidates)), {}
    for rung, epochs in enumerate(entry.epochs[:-1]):
        found = run_rung(numbers, rung, epochs)
        last |= found
        promoted = max(entry.kept, math.ceil(len(numbers) / entry.reduction))
        numbers = best(found, promoted, name, entry.promising)
    found = run_rung(numbers, len(entry.epochs) - 1, entry.epochs[-1])
    return last | found, best(found, entry.kept, name)


def best(candidates: dict[int, Candidate], kept: int, name: str, by: str = "accuracy") -> list[int]:
    """Return the numbers of the best `kept` candidates, best first.

    Ranked by accuracy, ties broken by loss and then number, or by the lowest loss in any epoch and then number. Raises
    `DataError` if fewer than `kept` could be trained.
    """
    trained = [number for number, candidate in candidates.items() if "failed" not in candidate.metrics]
    if len(trained) < kept:
        reason = next(item.metrics["failed"] for item in candidates.values() if "failed" in item.metrics)
        raise DataError(
            f"model {name}: only {len(trained)} of {len(candidates)} candidates could be trained ({reason}); "
            f"raise models.{name}.candidates or lower its learning_rate"
        )

    def place(number: int) -> tuple[float, ...]:
        found = candidates[number].metrics
        return (found["lowest_loss"], number) if by == "lowest_loss" else (-found["accuracy"], found["loss"], number)

    return sorted(trained, key=place)[:kept]
