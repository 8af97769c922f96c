"""A hyperparameter search with optuna whose result depends neither on the number of workers nor on interruptions.

Candidates are asked for in batches of a fixed size, and their losses are told in order of number. Each batch has its
own sampler, seeded by its number, so the losses told so far determine the next batch. Finished candidates are written
to optuna's journal; a resumed search asks for the same candidates again and takes their results from there.
"""

import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import BaseTrial, FrozenTrial, TrialState

from analysis.core.files import writing
from analysis.core.seeds import seed_of

NAME = "search"


@dataclass(frozen=True)
class Told:
    """The result of a candidate: its loss, or why it failed, and notes to keep (JSON values)."""

    loss: float | None
    failed: str | None = None
    notes: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Tried:
    """A candidate, its values and its result."""

    number: int
    values: dict
    told: Told


def minimise(
    space: Callable[[BaseTrial], dict],
    evaluate: Callable[[list[tuple[int, dict]]], list[Told]],
    *,
    candidates: int,
    batch: int,
    sampler: str,
    seed: int,
    journal: Path | None = None,
) -> list[Tried]:
    """Search for values that minimise the loss; return all candidates in order of number.

    Parameters
    ----------
    space : function of an optuna trial
        Samples the values from the trial and returns them as JSON values.
    evaluate : function of a batch of (number, values)
        Returns their results, in the same order.
    batch : int
        Candidates asked for before the first result is told.
    sampler : str
        A key of `SAMPLERS`.
    journal : path, optional
        File of optuna's journal storage, which keeps finished candidates.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kept = None if journal is None else _open(journal)
    done = kept.get_trials(deepcopy=False) if kept else []
    study, result = optuna.create_study(), []
    for first in range(0, candidates, batch):
        study.sampler = SAMPLERS[sampler](candidates, seed_of(seed, "batch", first // batch))
        asked = [study.ask() for _ in range(min(batch, candidates - first))]
        questions = [(trial.number, space(trial)) for trial in asked]
        answers = [_told(trial) for trial in done[first : first + len(asked)]]
        answers += evaluate(questions[len(answers) :]) if len(answers) < len(asked) else []
        for trial, (number, values), told in zip(asked, questions, answers, strict=True):
            for name, value in {"values": values, "failed": told.failed, "notes": told.notes}.items():
                trial.set_user_attr(name, value)
            study.tell(trial, told.loss, TrialState.COMPLETE if told.failed is None else TrialState.FAIL)
            result.append(Tried(number, values, told))
            if kept and number >= len(done):
                with writing(journal):
                    kept.add_trial(study.get_trials(deepcopy=False)[number])
    return result


def _tpe(candidates: int, seed: int) -> BaseSampler:
    """Return a tree of Parzen estimators (Bergstra et al. 2011) after a random first quarter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # Joint densities of values that always occur together; some occur only if others allow (a depth, a bound).
        return TPESampler(n_startup_trials=math.ceil(candidates / 4), seed=seed, multivariate=True, group=True)


SAMPLERS: dict[str, Callable[[int, int], BaseSampler]] = {
    "tpe": _tpe,
    "random": lambda candidates, seed: RandomSampler(seed=seed),
}


def _told(trial: FrozenTrial) -> Told:
    return Told(trial.value, trial.user_attrs["failed"], trial.user_attrs["notes"])


class _Owned:
    """No lock is needed: a single run owns the folder of the journal (`analysis.core.store.work_folder`)."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _open(path: Path) -> optuna.Study:
    """Open the journal after removing an unfinished last line that a killed process left behind."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            whole = path.read_bytes()
            os.truncate(path, whole.rfind(b"\n") + 1)
        storage = JournalStorage(JournalFileBackend(str(path), _Owned()))
        return optuna.create_study(storage=storage, study_name=NAME, load_if_exists=True)
