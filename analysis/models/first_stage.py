"""The first stage of the report's HMO: random CNNs trained by successive halving, of which the best are kept."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from analysis import store
from analysis.errors import DataError
from analysis.files import write_json
from analysis.models.augment import augmenter
from analysis.models.kinds import HMOReport
from analysis.models.network import Standardise, glorot_
from analysis.models.random_cnn import CandidateCNN, random_module
from analysis.models.registry import Job
from analysis.models.search import Candidate, search
from analysis.models.training import Plan, Split, TrainingFailed
from analysis.models.training import fit as fit_network
from analysis.runtime import seed_of

IRRELEVANT = {"kind", "modules", "grid", "top", "final_epochs", "copies", "activations", "inverse_penalty"}
"""Values of an entry that change nothing in its search."""


def drawn(job: Job, number: int) -> dict:
    """Return the values of one candidate."""
    return random_module(job.entry, job.seed, "candidate", number)


def seed_of_candidate(job: Job, number: int) -> int:
    """Return the seed of one candidate's weights and training."""
    return seed_of(job.seed, "hmo_report", "candidate", number)


def initial(values: dict, standardise: Standardise, seed: int) -> CandidateCNN:
    """Return a candidate with the weights it starts from."""
    network = CandidateCNN(values, standardise)
    glorot_(network, torch.Generator().manual_seed(seed))
    return network


def fit_candidate(
    values: dict,
    splits: tuple[Split, Split],
    standardise: Standardise,
    entry: HMOReport,
    seed: int,
    epochs: int,
    checkpoint: Path | None = None,
) -> Candidate:
    """Train one candidate up to an epoch, from its checkpoint if there is one, and judge it on the selection split."""
    network = initial(values, standardise, seed)
    network.to(splits[0].y.device, memory_format=torch.channels_last)
    plan = Plan(epochs, entry.batch, entry.learning_rate, augment=augmenter(entry.augment))
    try:
        last = fit_network(network, *splits, plan, seed, checkpoint)[-1]
    except TrainingFailed as error:
        return Candidate({"failed": str(error)}, {})
    return Candidate(last, network.module.state_dict())


def find(job: Job, splits: tuple[Split, Split], standardise: Standardise) -> tuple[dict[int, Candidate], list[int]]:
    """Search, and note in the store which candidates were chosen (as `successive_halving` returns them)."""

    def fit_to(number: int, epochs: int) -> Candidate:
        seed, checkpoint = seed_of_candidate(job, number), job.folder / f"training-{number:04d}.safetensors"
        return fit_candidate(drawn(job, number), splits, standardise, job.entry, seed, epochs, checkpoint)

    candidates, chosen = successive_halving(job, fit_to)
    write_json(_note(job), chosen)
    return candidates, chosen


def choice(job: Job, splits: tuple[Split, Split], standardise: Standardise) -> list[int]:
    """Return the numbers of the chosen candidates: of an earlier search with the same values, or of one made now.

    Which of the two it was leaves no trace, so a search made here logs nothing.
    """
    note = _note(job)
    if note.exists():
        return json.loads(note.read_text(encoding="utf-8"))
    return find(replace(job, log=lambda *_: None), splits, standardise)[1]


def _note(job: Job) -> Path:
    return (
        store.work_folder("choice", {"search": job.entry.model_dump(exclude=IRRELEVANT)} | job.origin) / "chosen.json"
    )


def successive_halving(job: Job, fit_to: Callable[[int, int], Candidate]) -> tuple[dict[int, Candidate], list[int]]:
    """Train all candidates to the first rung, the better half of them to the next, and so on (Jamieson & Talwalkar).

    Parameters
    ----------
    fit_to : function (number, epochs) -> Candidate

    Returns
    -------
    candidates : last result of every candidate by number
    chosen : numbers of the kept ones among those that reached the last rung, best first
    """
    entry = job.entry
    numbers, last = list(range(entry.candidates)), {}
    for rung, epochs in enumerate(entry.epochs):
        found = search(
            lambda number, epochs=epochs: fit_to(number, epochs),
            numbers,
            job.folder / f"rung{rung}",
            f"candidates of {job.name}, rung {rung + 1} of {len(entry.epochs)}",
            lambda *step, rung=rung: job.log(f"rung{rung + 1}", *step),
        )
        last |= found
        goes_on = entry.kept if epochs == entry.epochs[-1] else max(entry.kept, math.ceil(len(numbers) / 2))
        numbers = best(found, goes_on, job.name)
    return last, numbers


def best(candidates: dict[int, Candidate], kept: int, name: str) -> list[int]:
    """Return the numbers of the kept candidates: highest accuracy first, ties to the lower loss, then the number.

    Raises
    ------
    DataError
        If fewer than `kept` could be trained.
    """
    trained = [number for number, candidate in candidates.items() if "failed" not in candidate.metrics]
    if len(trained) < kept:
        reason = next(item.metrics["failed"] for item in candidates.values() if "failed" in item.metrics)
        raise DataError(
            f"model {name}: only {len(trained)} of {len(candidates)} candidates could be trained ({reason}); "
            f"raise models.{name}.candidates or lower its learning_rate"
        )
    rank = {number: candidates[number].metrics for number in trained}
    return sorted(trained, key=lambda number: (-rank[number]["accuracy"], rank[number]["loss"], number))[:kept]
