"""Finished candidates of a search, each in its own files, so that a killed search goes on."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from analysis.core.files import write_text
from analysis.models.network import read_tensors, write_tensors


@dataclass(frozen=True)
class Candidate:
    """A candidate's metrics (or ``failed`` with the reason) and its weights."""

    metrics: dict
    tensors: dict[str, torch.Tensor]


def write_candidate(folder: Path, number: int, candidate: Candidate) -> None:
    """Write a finished candidate to a folder."""
    tensors, metrics = _paths(folder, number)
    write_tensors(tensors, candidate.tensors)
    write_text(metrics, json.dumps(candidate.metrics, sort_keys=True))  # last, as a sign that the weights are whole


def read_candidate(folder: Path, number: int) -> Candidate | None:
    """Read a candidate from a folder; None if it is not finished."""
    tensors, metrics = _paths(folder, number)
    if not metrics.exists():
        return None
    values, _ = read_tensors(tensors)
    return Candidate(
        json.loads(metrics.read_text(encoding="utf-8")), {name: value.clone() for name, value in values.items()}
    )


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"candidate-{number:04d}.safetensors", folder / f"candidate-{number:04d}.json"
