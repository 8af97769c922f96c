"""Select recordings and files by the parameters."""

import io
import re
from collections import defaultdict
from dataclasses import dataclass

import pandas as pd

from analysis.acquire.real.sources import Pin
from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.params import Selection

NAME = re.compile(r"sub-(?P<subject>\w+)/sub-(?P=subject)_ses-\d\d(?P<date>\d{6})T(?P<time>\d{6})(?P<kind>_\w+)?\.nwb")
KINDS = {None: "rasters", "_image": "main", "_behavior": "behavior"}


@dataclass(frozen=True)
class Recording:
    """One recording: its name in the csv files, its monkey, its files by kind, and its number of units by area."""

    name: str
    monkey: str
    files: dict[str, Pin]
    units: dict[str, int]


def recordings(listing: list[Pin], units: bytes, banks: bytes) -> list[Recording]:
    """Return all published recordings, sorted by name.

    `listing` holds all files of the dandiset; `units` and `banks` are the tables ``units.csv.gz`` and
    ``bank_array_regions.csv``. Raises `DataError` if a file name does not have the published form, or files and tables
    name different recordings.
    """
    areas = _areas(units, banks)
    sessions: dict[tuple[str, str], dict[str, dict[str, Pin]]] = defaultdict(lambda: defaultdict(dict))
    for pin in listing:
        match = NAME.fullmatch(pin.path)
        if not match or match["kind"] not in KINDS:
            raise DataError(f"{pin.path}: unexpected file name in the dandiset")
        sessions[match["subject"], match["date"]][match["time"]][KINDS[match["kind"]]] = pin
    names = defaultdict(list)
    for name in areas:
        names[name.partition("_")[0]].append(name)
    result = []
    for (monkey, date), by_time in sessions.items():
        # The tables name a recording by monkey and date; those of one date are numbered by start time.
        called = sorted(names.get(monkey + date, []), key=lambda name: (len(name), name))
        if len(called) != len(by_time):
            raise DataError(f"{monkey}{date}: {len(by_time)} recordings, but units.csv.gz names {called}")
        for name, time in zip(called, sorted(by_time), strict=True):
            result.append(Recording(name, monkey, by_time[time], areas[name]))
    return sorted(result, key=lambda recording: recording.name)


def _areas(units: bytes, banks: bytes) -> dict[str, dict[str, int]]:
    """Return the number of units by area of each recording."""
    try:
        unit = pd.read_csv(io.BytesIO(units), compression="gzip", usecols=["Session", "Bank"], dtype={"Session": str})
        bank = pd.read_csv(io.BytesIO(banks), usecols=["Session", "Bank", "Region"], dtype={"Session": str})
        count = unit.merge(bank, on=["Session", "Bank"], validate="many_to_one").groupby(["Session", "Region"]).size()
    except (ValueError, OSError) as error:
        raise DataError(f"units.csv.gz or bank_array_regions.csv cannot be read ({error})") from error
    result: dict[str, dict[str, int]] = defaultdict(dict)
    for (session, area), n in count.items():
        result[session][area] = int(n)
    return dict(result)


def choose(everything: list[Recording], wanted: Selection, group: str = "acquire.") -> list[Recording]:
    """Return the recordings selected by the parameters, sorted by name.

    Area, monkey and name must all match; a recording belongs to every area in which it has a unit; `limit` keeps the
    first by name. Recordings of one monkey and date stay together, since only their order distinguishes them. Raises
    `DataError`, whose keys start with the name of their `group`, if a name in the parameters is unknown, or no
    recording matches.
    """
    _known(f"{group}areas", wanted.areas, set(AREAS))
    _known(f"{group}monkeys", wanted.monkeys, {recording.monkey for recording in everything})
    _known(f"{group}recordings", wanted.recordings, {recording.name for recording in everything})
    chosen = [
        recording
        for recording in everything
        if (wanted.areas == "all" or not recording.units.keys().isdisjoint(wanted.areas))
        and (wanted.monkeys == "all" or recording.monkey in wanted.monkeys)
        and (wanted.recordings == "all" or recording.name in wanted.recordings)
    ][: wanted.limit]
    if not chosen:
        raise DataError(f"{group}areas, monkeys and recordings match no recording: widen one of them")
    dates = {recording.name.partition("_")[0] for recording in chosen}
    return [recording for recording in everything if recording.name.partition("_")[0] in dates]


def _known(key: str, values, known: set[str]) -> None:
    if values != "all" and (unknown := sorted(set(values) - known)):
        few = ", ".join(sorted(known)[:15]) + (" ..." if len(known) > 15 else "")
        raise DataError(f"{key}: unknown {', '.join(unknown)}; choose from {few}")


def files(chosen: list[Recording], kinds: list[str]) -> list[Pin]:
    """Return the files of the chosen recordings that are of the given kinds, sorted by path."""
    pins = [recording.files[kind] for recording in chosen for kind in kinds if kind in recording.files]
    return sorted(pins, key=lambda pin: pin.path)
