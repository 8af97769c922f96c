"""Stage ``acquire``: put the data, simulated or real, into data/raw."""

import importlib
import shutil
from pathlib import Path

from analysis.acquire.manifest import NAME, write_manifest
from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.files import write_error
from analysis.params import Params


def run(params: Params) -> None:
    """Fill data/raw from the source named in the parameters, and list the files in ``manifest.json``.

    Raises
    ------
    DataError
        If the source cannot be reached or simulated, or data/raw cannot be written or holds files of another origin.
    """
    _check_ours(paths.RAW)
    SOURCES[params.acquire.source](params, paths.RAW)


def simulated(params: Params, raw: Path) -> None:
    """Simulate into a folder beside `raw`, then rename it to `raw`."""
    from analysis.simulate.experiment import simulate

    fresh = raw.with_name(f".{raw.name}.part")
    try:
        _remove(fresh)
        simulate(params.simulate, params.seed, fresh)
        write_manifest(fresh, "simulated", seed=params.seed, simulate=params.simulate.model_dump())
        _remove(raw)
        fresh.rename(raw)
    except OSError as error:
        raise write_error(error.filename or raw, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def real(params: Params, raw: Path) -> None:
    """Fetch the published files into `raw`."""
    importlib.import_module("analysis.acquire.real.stage").acquire(params, raw)


def _check_ours(raw: Path) -> None:
    """Refuse to replace a folder of data that this stage did not write."""
    if raw.is_dir() and any(raw.iterdir()) and not (raw / NAME).is_file():
        raise DataError(
            f"{raw} holds files that the stage acquire did not write (no {NAME}): move them, then run again"
        )


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


SOURCES = {"simulated": simulated, "real": real}
