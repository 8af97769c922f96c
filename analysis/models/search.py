"""A search: many independent candidates, each finished one kept so that a killed search goes on."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from analysis.files import write_text
from analysis.models.network import read_tensors, write_tensors
from analysis.runtime import track


@dataclass(frozen=True)
class Candidate:
    """What a search keeps of one candidate: its metrics (or ``failed`` with the reason) and its weights."""

    metrics: dict
    tensors: dict[str, torch.Tensor]


def search(
    task: Callable[[int], Candidate],
    numbers: Sequence[int],
    folder: Path,
    what: str,
    on_candidate: Callable[[int, dict], None] | None = None,
) -> dict[int, Candidate]:
    """Run ``task(number)`` for every number and return the candidates by number.

    A candidate that `folder` already holds is read, not run. `on_candidate` sees the numbers in order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    result = {}
    for number in track(numbers, what):
        candidate = _read(folder, number)
        if candidate is None:
            candidate = task(number)
            _write(folder, number, candidate)
        result[number] = candidate
        if on_candidate:
            on_candidate(number, {k: v for k, v in candidate.metrics.items() if isinstance(v, float)})
    return result


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"candidate-{number:04d}.safetensors", folder / f"candidate-{number:04d}.json"


def _write(folder: Path, number: int, candidate: Candidate) -> None:
    tensors, metrics = _paths(folder, number)
    write_tensors(tensors, candidate.tensors)
    write_text(metrics, json.dumps(candidate.metrics, sort_keys=True))  # last: it says that the weights are whole


def _read(folder: Path, number: int) -> Candidate | None:
    tensors, metrics = _paths(folder, number)
    if not metrics.exists():
        return None
    values, _ = read_tensors(tensors)
    return Candidate(
        json.loads(metrics.read_text(encoding="utf-8")), {name: value.clone() for name, value in values.items()}
    )
