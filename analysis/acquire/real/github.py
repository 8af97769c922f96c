"""Files of GitHub repositories at a fixed commit, each pinned by its hash."""

from pathlib import Path, PurePosixPath

from analysis.acquire.real import sources
from analysis.acquire.real.download import Item, pinned
from analysis.core import settings
from analysis.core.errors import DataError


def pins(repository: sources.Repository) -> list[sources.Pin]:
    """Return the pinned files. Raises `DataError` if the pin list is damaged."""
    try:
        return sources.parse_pins(repository.pins.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{repository.pins}: damaged pin list ({error}); restore it from git") from error


def items(repository: sources.Repository, wanted: list[sources.Pin] | None = None) -> list[Item]:
    """Return the items to `fetch` for the `wanted` files, by default all pinned files."""
    chosen = pins(repository) if wanted is None else wanted
    return [pinned(pin, f"{settings.read().github_raw}/{repository.name}/{repository.commit}") for pin in chosen]


def target(repository: sources.Repository, pin: sources.Pin) -> Path:
    """Return the path of a file, relative to data/raw."""
    path = PurePosixPath(pin.path)
    return Path(repository.folder, path.name if repository.flat else path)
