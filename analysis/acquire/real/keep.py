"""Maintenance of the store: verify, list, prune."""

import time

from analysis.acquire.real import blobs, choice, github, osf, sources
from analysis.acquire.real.blobs import show_bytes
from analysis.acquire.real.stage import published
from analysis.core import store
from analysis.core.files import locks
from analysis.core.progress import track
from analysis.params import FreeViewing, Params, Selection

DAY = 86400.0


def verify() -> list[str]:
    """Hash every file of the store again; remove damaged ones and return their names."""
    bad = [path for path in track(blobs.blobs(), "verify") if blobs.damaged(path)]
    for path in bad:
        path.unlink()
    return [path.name for path in bad]


def listing() -> list[str]:
    """Return a line per file (hash, size, published name) and per unfinished download of the store, and the totals."""
    names, whole = known(), {path.name: path.stat().st_size for path in blobs.blobs()}
    lines = [f"{name[:16]}  {size:>13}  {names.get(name, '(not pinned)')}" for name, size in whole.items()]
    for path in blobs.parts():
        lines.append(f"{path.stem[:16]}  {path.stat().st_size:>13}  {names.get(path.stem, '?')} (unfinished)")
    return [*lines, f"{len(whole)} files, {show_bytes(sum(whole.values()))}, in {store.store_root()}"]


def known() -> dict[str, str]:
    """Return the published names of all pinned hashes that are known without network access."""
    pins, names = _pins(), {sources.DANDISET.digest: "listing of the dandiset"}
    if blobs.has(sources.DANDISET.digest):
        pins += sources.parse_pins(blobs.blob_path(sources.DANDISET.digest).read_text(encoding="utf-8"))
    return names | {pin.digest: pin.path for pin in pins}


def _pins() -> list[sources.Pin]:
    recorded = [sources.parse_pins(path.read_text()) for path in sorted(sources.RECORDED_PINS.glob("*.txt"))]
    pins = github.pins(sources.ANNOTATIONS) + github.pins(sources.REPORT) + (osf.locked(sources.STIMULI) or [])
    return pins + [pin for of_one in recorded for pin in of_one]


def selections(params: Params) -> list[Selection]:
    """Return the selections of recordings in the parameters: of the experiment, and of the data sets that run."""
    run = [params.recorded.datasets.entry(name) for name in params.recorded.run]
    return [params.acquire, *(entry for entry in run if isinstance(entry, FreeViewing))]


def prune(wanted: list[Selection] | None, days: float) -> int:
    """Remove unneeded files from the store; return the number of bytes freed.

    Unfinished downloads and work are removed if not written to for `days` days, complete files if `wanted` is given and
    none of its selections names them.
    """
    freed, oldest, unwanted = 0, time.time() - days * DAY, []
    for path in blobs.parts():
        with locks.if_free(path) as free:  # otherwise it is being fetched
            if free and path.stat().st_mtime < oldest:
                freed += path.stat().st_size
                path.unlink()
    if wanted is not None:
        everything = published()
        pins = [pin for one in wanted for pin in choice.files(choice.choose(everything, one), one.kinds)]
        needed = {pin.digest for pin in pins + _pins()} | {sources.DANDISET.digest}
        unwanted = [path for path in blobs.blobs() if path.name not in needed]
    for path in unwanted:
        freed += path.stat().st_size
        path.unlink()
    return freed + store.prune(oldest)
