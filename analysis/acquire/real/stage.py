"""Put the selected published data into data/raw."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from analysis.acquire.manifest import NAME
from analysis.acquire.real import blobs, choice, dandi, github, osf, sources
from analysis.acquire.real.download import fetch
from analysis.acquire.real.sources import Pin
from analysis.core.files import write_error, write_json
from analysis.params import Params, Selection

TABLES = ("db/units.csv.gz", "db/bank_array_regions.csv")


def acquire(params: Params, raw: Path) -> None:
    """Bring the recordings that ``acquire`` in params.yaml selects to `raw` (`bring`)."""
    bring(params.acquire, "acquire.", raw, {"source": "real"})


def bring(wanted: Selection, group: str, raw: Path, about: dict[str, str]) -> None:
    """Download the selected files into the store, and link them into `raw` in the published layout.

    Only files that the store lacks are downloaded. `raw` is replaced once all files are present. Raises `DataError` if
    a source cannot be reached or differs from its pin, the selection is empty, or the disk is full.

    Parameters
    ----------
    wanted : Selection
    group : str
        Precedes the keys of the selection in messages.
    raw : Path
    about : dict
        Facts for the manifest.
    """
    everything = published()
    chosen = choice.choose(everything, wanted, group)
    pins = choice.files(chosen, wanted.kinds)
    volumes = osf.locked(sources.STIMULI)
    first_contact = volumes is None
    items = dandi.items(sources.DANDISET, pins)
    for repository in (sources.ANNOTATIONS, sources.REPORT):
        items += github.items(repository)
    if first_contact or not all(blobs.has(pin.digest, pin.size) for pin in volumes):
        listed = osf.volumes(sources.STIMULI)
        volumes = [pin for pin, _ in listed]
        items += [item for _, item in listed]
    n = fetch(items)
    if first_contact:
        osf.write_lock(sources.STIMULI, volumes)
        print(f"acquire: recorded the OSF volumes in {sources.STIMULI.lock.name}; commit it")
    about = about | {
        "choice": wanted.model_dump(),
        "recordings": [recording.name for recording in chosen],
        "recordings_published": len(everything),
    }
    how = _lay_out(_layout(pins, volumes), about, raw)
    print(f"acquire: {len(chosen)} recordings, {len(pins)} of their files; {n} files fetched, links: {how}")


def published() -> list[choice.Recording]:
    """Return all published recordings; fetches the archive's listing and two small tables if the store lacks them."""
    listing = dandi.listing(sources.DANDISET)
    tables = [pin for pin in github.pins(sources.ANNOTATIONS) if pin.path in TABLES]
    fetch(github.items(sources.ANNOTATIONS, tables))
    content = {pin.path: blobs.blob_path(pin.digest).read_bytes() for pin in tables}
    return choice.recordings(listing, *(content[name] for name in TABLES))


def _layout(dandi_pins: list[Pin], volumes: list[Pin]) -> Iterator[tuple[Path, Pin]]:
    """Yield the path of each file, relative to data/raw."""
    for pin in dandi_pins:
        yield Path("dandiset", pin.path), pin
    for pin in volumes:
        yield Path("stimuli", pin.path), pin
    for repository in (sources.ANNOTATIONS, sources.REPORT):
        for pin in github.pins(repository):
            yield github.target(repository, pin), pin


def _lay_out(layout: Iterator[tuple[Path, Pin]], about: dict, raw: Path) -> str:
    """Link all files and the manifest into a folder beside `raw`, rename it to `raw`, and return the kinds of link."""
    fresh = raw.with_name(f".{raw.name}.part")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        files, how = {}, set()
        for path, pin in sorted(layout):
            how.add(blobs.link(pin.digest, fresh / path))
            files[path.as_posix()] = {"size": pin.size, "sha256": pin.digest}
        write_json(fresh / NAME, about | {"files": files, "sources": _origins()})
        if raw.exists():
            shutil.rmtree(raw)
        fresh.rename(raw)
    except OSError as error:
        raise write_error(error.filename or raw, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return ", ".join(sorted(how))


def _origins() -> dict:
    """Return the sources, by folder of data/raw, with their licences and pins."""
    origin = {
        "dandiset": (sources.DANDISET, {"version": sources.DANDISET.version, "listing": sources.DANDISET.digest}),
        "stimuli": (sources.STIMULI, {}),
        "annotations": (sources.ANNOTATIONS, {"commit": sources.ANNOTATIONS.commit}),
        "report": (sources.REPORT, {"commit": sources.REPORT.commit}),
    }
    return {
        folder: {"url": source.url, "licence": source.licence, "citation": source.citation, **pin}
        for folder, (source, pin) in origin.items()
    }
