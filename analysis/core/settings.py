"""Settings from the environment (``NNN_*``): where and how to compute. None of them changes a result."""

import os
from pathlib import Path
from typing import Annotated

from platformdirs import user_cache_path
from pydantic import AfterValidator, Field, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from analysis.core.errors import DataError

Url = Annotated[
    str, StringConstraints(pattern=r"^https?://[\w.-]+(:\d+)?(/\S*)?$"), AfterValidator(lambda url: url.rstrip("/"))
]


MOST_WORKERS = 1024
"""More is a slip: it would take all memory."""


def _written_out(store: Path) -> Path:
    """Refuse a store of which a shell would have replaced a part: a folder named ``~`` would be made."""
    if str(store).startswith("~") or "$" in str(store):
        raise ValueError
    return store


def _default_store() -> Path:
    """Return the default store. Raises `DataError` where the user has no home folder, as in some containers."""
    try:
        return user_cache_path("neural-neural-networks")
    except RuntimeError as error:
        raise DataError("this user has no home folder to hold the store: set NNN_STORE to a folder") from error


class Settings(BaseSettings):
    """One field per variable: ``workers`` is ``NNN_WORKERS``. An empty variable counts as not set."""

    model_config = SettingsConfigDict(env_prefix="NNN_", env_ignore_empty=True, frozen=True)

    workers: int = Field(default_factory=lambda: len(os.sched_getaffinity(0)), ge=1, le=MOST_WORKERS)
    """Number of worker processes; by default one per core available to this process."""
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?)$")
    """Torch device."""
    scheduler: str | None = None
    """Address or file of a dask scheduler, or ``slurm``."""
    store: Annotated[Path, AfterValidator(_written_out)] = Field(default_factory=lambda: _default_store())
    """Folder for downloads and unfinished work."""
    connections: int = Field(6, ge=1, le=64)
    """Number of simultaneous downloads."""
    dandi_api: Url = "https://api.dandiarchive.org/api"
    osf_api: Url = "https://api.osf.io/v2"
    github_raw: Url = "https://raw.githubusercontent.com"
    brainscore: Url = "https://brainscore-storage.s3.amazonaws.com/brainio-brainscore"
    image_revision: str | None = None
    """Commit that the container image was built from."""
    image_base: str | None = None
    """Digest of the image that the container image is based on."""


ADVICE = {
    "scheduler": "give slurm, a scheduler's file, or its address as tcp://HOST:PORT",
    "store": "give the whole path of a folder; ~ and $ are not replaced here",
    "image_revision": "leave it unset outside the container",
    "image_base": "leave it unset outside the container",
    "workers": "give a whole number of workers from 1 to 1024",
    "device": "give cpu, cuda or cuda:N",
    "connections": "give a whole number from 1 to 64",
    "dandi_api": "give an address that begins with http:// or https://",
    "osf_api": "give an address that begins with http:// or https://",
    "github_raw": "give an address that begins with http:// or https://",
    "brainscore": "give an address that begins with http:// or https://",
}
"""How to fix an invalid value."""


def read() -> Settings:
    """Read the settings.

    Raises
    ------
    DataError
        If a value is invalid; the message names every variable at fault.
    """
    if wrong := faults():
        raise DataError("; ".join(wrong.values()))
    return Settings()


def faults() -> dict[str, str]:
    """Return one error message per invalid setting, by its name."""
    try:
        Settings()
    except ValidationError as error:
        named = {str(one["loc"][0]).lower().removeprefix("nnn_"): one["input"] for one in error.errors()}
        return {name: f"NNN_{name.upper()}={value!r}: {ADVICE[name]}" for name, value in named.items()}
    return {}


def workers() -> int:
    """Return the number of worker processes (``NNN_WORKERS``, by default one per core available to this process)."""
    return read().workers


def device() -> str:
    """Return the torch device (``NNN_DEVICE``: ``cpu``, the default, ``cuda`` or ``cuda:N``).

    Raises
    ------
    DataError
        If the value is invalid, or torch finds no such device.
    """
    value = read().device
    if value != "cpu":
        import torch  # slow to import, and needed only for a GPU

        found, number = torch.cuda.device_count(), int(value.partition(":")[2] or 0)
        if number >= found:
            raise DataError(
                f"NNN_DEVICE={value}: torch sees {found or 'no'} CUDA device{'s' if found > 1 else ''}; "
                "unset NNN_DEVICE to compute on the CPU"
            )
    return value
