"""Find in a second what would stop a run hours later: parameters, environment variables, disk, device, scheduler."""

import difflib
import errno
import importlib.util
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from analysis.core import numerics, settings
from analysis.core.errors import DataError
from analysis.core.files import write_text
from analysis.core.files.claim import claim
from analysis.params import Params
from analysis.params.across import disagreements
from analysis.params.loading import examine
from analysis.run import PARAMS, declared

ROOM = 1e9
"""Bytes that must be free. The embedded experiment uses half of them; ``acquire`` requires more before it downloads."""
ANSWER_S = 3.0
"""How long to wait for a scheduler to accept a connection."""
OTHERS = ("NNN_NUMERICS", "NNN_FUZZ")
"""Environment variables that are not fields of `settings.Settings`."""


def problems(path: Path = PARAMS) -> list[str]:
    """Return one line for each problem with the parameters or the environment."""
    found: list[str] = []
    try:
        params, wrong = examine(path)
        wrong = [*wrong, *(disagreements(params) if params else [])]
        found += [f"{path}: {line}" for line in wrong]
        found += [*_own_models(params), *_own_images(params), *_not_listed(params)] if params else []
    except DataError as error:
        found.append(str(error))
    return list(dict.fromkeys([*found, *_environment()]))  # several groups may say the same


MARK = "python -m analysis check found nothing wrong with params.yaml\n"


def write_mark(out: Path) -> None:
    """Write the file that records a passed check, with the same bytes every time so that no dependent stage reruns.

    Raises `DataError` if `out` exists with other content.
    """
    if out.exists():
        claim(out, suffixes=[""], force=out.is_file() and out.read_bytes() == MARK.encode())
    write_text(out, MARK)


def _own_models(params: Params) -> Iterator[str]:
    """Yield which modules and weights of the user's own models cannot be found, without importing any."""
    for name in params.models.run:
        entry = params.models.entry(name)
        if entry.kind != "own":
            continue
        module = entry.module.partition(":")[0]
        try:
            found = importlib.util.find_spec(module.partition(".")[0])  # finding a submodule would import its package
        except (ImportError, ValueError):
            found = None
        if not found:
            yield f"models.{name}.module: no module {module}: add it to this folder or install its package"
        if entry.weights and ":" not in entry.weights.file and not Path(entry.weights.file).is_file():
            yield f"models.{name}.weights: {entry.weights.file} not found: give the path of the weights"


def _own_images(params: Params) -> Iterator[str]:
    """Yield which folders of images to train on are not there."""
    for name in params.recorded.run:
        training = params.recorded.datasets.entry(name).training
        if training is not None and not Path(training, "images").is_dir():
            yield f"recorded.datasets.{name}.training: no folder {Path(training, 'images')}: put the images there"


def _not_listed(params: Params) -> Iterator[str]:
    """Yield the models that the stage ``candidates`` needs but its entry in ``dvc.yaml`` does not list."""
    listed = declared("candidates")[1]
    for key, name in (("model", params.candidates.model), ("report", params.candidates.report)):
        if f"models.{name}" not in listed:
            yield f"candidates.{key} = {name!r}: dvc.yaml must list models.{name} among params of the stage candidates"


def _environment() -> Iterator[str]:
    """Yield what is wrong with the environment variables, this folder, the store, the scheduler and the device."""
    yield from _misspelt()
    try:
        numerics.wanted()
    except DataError as error:
        yield str(error)
    wrong = settings.faults()
    yield from wrong.values()
    full: set[int] = set()
    yield from _folder("this folder", Path(), full)
    if not wrong:
        values = settings.read()
        yield from _folder(f"the store {values.store}", values.store, full, "; set NNN_STORE to another folder")
        yield from _scheduler(values.scheduler)
    if "device" not in wrong:
        try:
            settings.device()
        except DataError as error:
            yield str(error)


def _misspelt() -> Iterator[str]:
    known = [*(f"NNN_{name.upper()}" for name in settings.Settings.model_fields), *OTHERS]
    for name in sorted(os.environ):
        if name.startswith("NNN_") and name not in known and (close := difflib.get_close_matches(name, known, 1)):
            yield f"{name}: no such variable; did you mean {close[0]}?"


def _folder(what: str, folder: Path, full: set[int], advice: str = "") -> Iterator[str]:
    """Yield why a folder cannot be used: unwritable, or too little disk space; then add its disk to `full`.

    Disks in `full` have been reported already.
    """
    failed = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        failed = error
    # `Path.is_dir` fails on a name that is too long.
    there = next(place for place in [folder, *folder.absolute().parents] if os.path.isdir(place))  # noqa: PTH112
    disk, free = there.stat().st_dev, shutil.disk_usage(there).free
    short = free < ROOM
    if failed and not (short and failed.errno == errno.ENOSPC):
        yield f"{what} cannot be written: {failed.strerror}{advice}"
    elif short and disk not in full:
        full.add(disk)
        yield f"{what} has {free / 1e9:.1f} GB free and a run needs {ROOM / 1e9:g} GB: free some space{advice}"


def _scheduler(scheduler: str | None) -> Iterator[str]:
    """Yield why ``NNN_SCHEDULER`` cannot be reached."""
    name = f"NNN_SCHEDULER={scheduler}"
    if scheduler is None:
        return
    if scheduler == "slurm":
        if not importlib.util.find_spec("dask_jobqueue"):
            yield f"{name}: dask-jobqueue is not installed: pip install dask-jobqueue"
        if not shutil.which("sbatch"):
            yield f"{name}: no command sbatch here: run on a login node of the cluster"
        return
    address = scheduler
    if Path(scheduler).is_file():
        try:
            address = json.loads(Path(scheduler).read_text(encoding="utf-8"))["address"]
        except (OSError, ValueError, KeyError, TypeError):
            yield f"{name}: not a dask scheduler file: give the file that dask scheduler --scheduler-file wrote"
            return
    try:
        place = urlsplit(address if "//" in address else f"tcp://{address}")
        if not place.hostname or not place.port:
            raise ValueError
        socket.create_connection((place.hostname, place.port), ANSWER_S).close()
    except ValueError:
        yield f"{name}: give slurm, a scheduler's file, or its address as tcp://HOST:PORT"
    except OSError as error:
        yield f"{name}: no scheduler answers there ({error.strerror or error}): start one, or unset NNN_SCHEDULER"
