"""Run one stage of ``dvc.yaml``, with the parameters that the file lists for it and the code it names."""

import hashlib
import importlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import yaml

from analysis import params
from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.files import locks
from analysis.core.numerics import THREADS, fixed_threads
from analysis.core.reading import check_raw

ROOT = Path(__file__).parents[1]
PARAMS = Path("params.yaml")
LOCKS = Path(".dvc/tmp/locks")
"""Folder of the locks in a copy of the project, one per stage and item."""
LOCKS_WITHOUT_DVC = Path("data/.locks")
"""The same without DVC, where a new folder ``.dvc`` would be mistaken for a repository."""
PATIENCE_S = 3.0
"""How long the workers of a killed run may hold its lock."""


@dataclass(frozen=True)
class Stage:
    """The module and the arguments of a stage.

    Attributes
    ----------
    module : str
        Module whose ``run(params)`` is the stage; ``run`` also takes the data set's name if `named`, then the item.
    item : str or None
        Kind of item that the stage runs for; the key of its matrix in ``dvc.yaml``.
    torch : bool
        Whether the stage always uses torch, which is then imported before the number of threads is set.
    threads : int
        Threads per numerical task; stages with many small tasks run two single-threaded tasks at once.
    named : bool
        Whether ``run`` takes the name of the recorded data set.
    """

    module: str
    item: str | None = None
    torch: bool = False
    threads: int = THREADS
    named: bool = False

    def takes(self, items: list[str]) -> bool:
        """Return whether these are valid arguments of the stage: its item or none, and no option."""
        return len(items) == (self.item is not None) and not any(item.startswith("-") for item in items)


STAGES = {
    "acquire": Stage("analysis.acquire.stage"),
    "stimuli": Stage("analysis.stimuli.stage"),
    "recordings": Stage("analysis.recordings.stage", "protocol"),
    "train": Stage("analysis.models.train.stage", "model", torch=True),
    "activations": Stage("analysis.models.activations.stage", "model", torch=True),
    "neural": Stage("analysis.neural.stage", "protocol"),
    "compare": Stage("analysis.compare.stage", "model"),
    "seeds": Stage("analysis.seeds.stage", "model"),
    "candidates": Stage("analysis.candidates.stage", torch=True),
    "audit": Stage("analysis.audit.stage", torch=True, threads=1),
    "explain": Stage("analysis.explain.stage", torch=True),
    "timing": Stage("analysis.timing.stage"),
    "summary": Stage("analysis.summary.stage"),
    "figures": Stage("paper.draw"),
    "report": Stage("paper.build"),
    "recorded-acquire": Stage("analysis.acquire.recorded.stage", named=True),
    "recorded-stimuli": Stage("analysis.stimuli.presented", named=True),
    "recorded-recordings": Stage("analysis.recordings.presented", "protocol"),
    "recorded-train": Stage("analysis.models.train.stage", "model", torch=True),
    "recorded-activations": Stage("analysis.models.activations.stage", "model", torch=True),
    "recorded-neural": Stage("analysis.neural.stage", "protocol"),
    "recorded-compare": Stage("analysis.compare.stage", "model"),
    "recorded-audit": Stage("analysis.audit.recorded", torch=True, threads=1),
    "recorded-summary": Stage("analysis.summary.recorded", named=True),
    "recorded-report": Stage("paper.recorded.report"),
    "recorded-rdms": Stage("analysis.acquire.recorded.stage", named=True),
    "recorded-geometry": Stage("analysis.geometry.stage", torch=True, named=True),
    "recorded-geometry-report": Stage("paper.recorded.report"),
}
"""The stages of the experiment, and those of recorded data sets, by their names in ``dvc.yaml``."""
RECORDED = "recorded-"
"""Prefix of the stages of recorded data sets."""


def run_stage(name: str, *items: str, dataset: str | None = None) -> None:
    """Run a stage; fail if its code or parameters change meanwhile.

    DVC hashes code after the stage has run, so output of the old code would be recorded as output of the new.

    Parameters
    ----------
    name : str
        A key of `STAGES`, without `RECORDED`.
    *items : str
        The stage's item, if it has one.
    dataset : str, optional
        A recorded data set, in whose folder the stage runs; None: the free-viewing experiment.

    Raises
    ------
    DataError
        If the data set is unknown or has no such stage, the item is missing or superfluous, the stage is already
        running in this folder, or its code or parameters changed while it ran.
    """
    values = params.load_agreeing(PARAMS)
    if dataset is not None:
        values, name = params.of_data_set(values, dataset), of_data_sets(name)
    elif name not in STAGES:
        raise DataError(f"{name} exists only for recorded data sets: put --dataset NAME before it")
    stage = STAGES[name]
    if not stage.takes(list(items)):
        raise DataError(f"stage {name}: " + (f"give one {stage.item}" if stage.item else "takes no argument"))
    code, listed = declared(name, *items, dataset=dataset)
    values = params.only(values, listed)
    before = _state(code, listed)
    module = importlib.import_module(stage.module)
    if stage.torch:
        importlib.import_module("torch")
    dependencies = [dep.removeprefix(f"{paths.RECORDED}/${{item.dataset}}/") for dep in _entry(name)["deps"]]
    with _alone(name, *filter(None, [dataset]), *items), paths.inside(dataset), fixed_threads(stage.threads):
        check_raw(dependencies)
        module.run(values, *([dataset] if stage.named else []), *items)
    after = _state(code, listed)
    if changed := sorted(key for key in before | after if before.get(key) != after.get(key)):
        raise DataError(f"{', '.join(changed)} changed while stage {name} ran: run it again")


def of_data_sets(name: str) -> str:
    """Return the key in `STAGES` of a stage of recorded data sets, from its name on the command line.

    Raises `DataError` if there is no such stage.
    """
    if RECORDED + name not in STAGES:
        known = ", ".join(key.removeprefix(RECORDED) for key in STAGES if key.startswith(RECORDED))
        raise DataError(f"--dataset: recorded data sets have no stage {name}; they have {known}")
    return RECORDED + name


def _alone(name: str, *items: str) -> AbstractContextManager[None]:
    """Hold the lock on a stage's output in this folder: simultaneous runs would mix their outputs."""
    folder = LOCKS if LOCKS.parents[1].is_dir() else LOCKS_WITHOUT_DVC
    lock = folder / quote("-".join([name, *items]), safe="")
    return locks.held(lock, " ".join(["stage", name, *items]), "run from a folder on a local disk", PATIENCE_S)


def declared(name: str, *items: str, dataset: str | None = None) -> tuple[list[Path], list[str]]:
    """Return the code and the parameters that ``dvc.yaml`` lists for a stage."""
    stage = STAGES[name]
    entry = _entry(name)
    code = [ROOT / path for path in entry["deps"] if path.split("/")[0] in ("analysis", "paper")]
    listed = [key.replace(f"${{item.{stage.item}}}", "".join(items)) for key in entry["params"]]
    listed = [key.replace("${item.dataset}", dataset or "") for key in listed]
    return [path for path in code if path != ROOT / "paper" / "figures"], listed


def _entry(name: str) -> dict:
    path = ROOT / "dvc.yaml"
    entry = (read_yaml(path).get("stages") or {}).get(name)
    if not (isinstance(entry, dict) and {"deps", "params"} <= entry.keys()):
        raise DataError(f"{path} has no stage {name} with deps and params: restore it (git checkout)")
    return entry


def read_yaml(path: Path) -> dict:
    """Return the content of a YAML file of the project. Raises `DataError` if it is missing or damaged."""
    # libyaml takes an eighth of the time of Python's own loader, which would delay the start of every stage.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        why = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise DataError(f"{path} cannot be read ({why}): restore it (git checkout)") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is damaged (no keys): restore it (git checkout)")
    return content


def _state(code: list[Path], listed: list[str]) -> dict[str, str | None]:
    """Return a hash of each code file, and the value of each parameter in ``params.yaml``."""
    files = [path for named in code for path in ([named] if named.is_file() else sorted(named.rglob("*.*")))]
    state = {
        path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.suffix not in (".pyc", "") and path.is_file()
    }
    values = read_yaml(PARAMS)
    return state | {f"{PARAMS}: {key}": repr(value_at(values, key)) for key in listed}


def value_at(values: dict, key: str) -> object:
    """Return the value at a dotted key of ``params.yaml``; None if the key is missing."""
    value: object = values
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
