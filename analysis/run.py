"""Run one stage of ``dvc.yaml``, with the parameters that the file lists for it and the code it names."""

import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path

import yaml

from analysis import params
from analysis.core.errors import DataError
from analysis.core.numerics import THREADS, fixed_threads

ROOT = Path(__file__).parents[1]
PARAMS = Path("params.yaml")


@dataclass(frozen=True)
class Stage:
    """Where a stage lives and what it takes.

    Attributes
    ----------
    module : str
        Its ``run(params)`` or ``run(params, item)`` is the stage.
    item : str or None
        What the stage runs for, the key of its matrix in ``dvc.yaml``.
    torch : bool
        Whether it computes with torch, which is then loaded before the number of threads is set.
    threads : int
        Threads of one numerical task; stages whose tasks are small and many run two tasks of one thread at once.
    """

    module: str
    item: str | None = None
    torch: bool = False
    threads: int = THREADS

    def takes(self, items: list[str]) -> bool:
        """Say whether these are the arguments of the stage: its item or none, and no option."""
        return len(items) == (self.item is not None) and not any(item.startswith("-") for item in items)


STAGES = {
    "acquire": Stage("analysis.acquire.stage"),
    "stimuli": Stage("analysis.stimuli.stage"),
    "recordings": Stage("analysis.recordings.stage", "protocol"),
    "train": Stage("analysis.models.train.stage", "model", torch=True),
    "activations": Stage("analysis.models.activations.stage", "model", torch=True),
    "neural": Stage("analysis.neural.stage", "protocol"),
    "compare": Stage("analysis.compare.stage", "model"),
    "candidates": Stage("analysis.candidates.stage", torch=True),
    "audit": Stage("analysis.audit.stage", torch=True, threads=1),
    "explain": Stage("analysis.explain.stage", torch=True),
    "summary": Stage("analysis.summary.stage"),
    "figures": Stage("paper.draw"),
    "report": Stage("paper.build"),
}


def run_stage(name: str, *items: str) -> None:
    """Run a stage; end it if its code or parameters change meanwhile.

    DVC hashes code after the stage has run, so output of the old code would be recorded as that of the new one.

    Parameters
    ----------
    name : str
        A key of `STAGES`.
    *items : str
        The stage's item, where it has one.

    Raises
    ------
    DataError
        If the item is missing or one too many, or code or parameters of the stage changed while it ran.
    """
    stage = STAGES[name]
    if not stage.takes(list(items)):
        raise DataError(f"stage {name}: " + (f"give one {stage.item}" if stage.item else "takes no argument"))
    code, listed = declared(name, *items)
    values = params.only(params.load_agreeing(PARAMS), listed)
    before = _state(code, listed)
    module = importlib.import_module(stage.module)
    if stage.torch:
        importlib.import_module("torch")
    reading = importlib.import_module("analysis.core.reading")  # late: it loads pandas, which few commands need
    reading.check_raw(_entry(name)["deps"])
    with fixed_threads(stage.threads):
        module.run(values, *items)
    after = _state(code, listed)
    if changed := sorted(key for key in before | after if before.get(key) != after.get(key)):
        raise DataError(f"{', '.join(changed)} changed while stage {name} ran: run it again")


def declared(name: str, *items: str) -> tuple[list[Path], list[str]]:
    """Return the code and the parameters that ``dvc.yaml`` lists for a stage."""
    stage = STAGES[name]
    entry = _entry(name)
    code = [ROOT / path for path in entry["deps"] if path.split("/")[0] in ("analysis", "paper")]
    listed = [key.replace(f"${{item.{stage.item}}}", "".join(items)) for key in entry["params"]]
    return [path for path in code if path != ROOT / "paper" / "figures"], listed


def _entry(name: str) -> dict:
    return yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][name]


def _state(code: list[Path], listed: list[str]) -> dict[str, str | None]:
    """Return a hash of each code file, and the value of each parameter as it stands in the file."""
    files = [path for named in code for path in ([named] if named.is_file() else sorted(named.rglob("*.*")))]
    state = {
        path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        # The stage acquire itself writes osf.lock when it first fetches from OSF.
        if path.suffix not in (".pyc", "", ".lock") and path.is_file()
    }
    values = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    return state | {f"{PARAMS}: {key}": repr(value_at(values, key)) for key in listed}


def value_at(values: dict, key: str) -> object:
    """Return what stands in ``params.yaml`` at a dotted key; None if nothing does."""
    value: object = values
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
