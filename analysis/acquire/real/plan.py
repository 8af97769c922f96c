"""Preview the selection in params.yaml before anything large is fetched."""

import shutil
from collections import Counter

from analysis.acquire.real import blobs, choice, github, osf, sources
from analysis.acquire.real.blobs import show_bytes
from analysis.acquire.real.sources import Pin
from analysis.acquire.real.stage import published
from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.store import store_root
from analysis.params import FreeViewing, Params, Selection


def plan_of(params: Params, dataset: str | None) -> str:
    """Return the `plan` of ``acquire`` in the parameters, or of an entry of recorded data sets.

    Raises `DataError` if there is no such entry, or it is of another source.
    """
    if dataset is None:
        will = params.acquire.source == "real"
        first = f"acquire.source is {params.acquire.source}" + ("" if will else "; set to real, it would download:")
        return plan(params.acquire, "acquire.", first)
    entry = params.recorded.datasets.entry(dataset)
    if not isinstance(entry, FreeViewing):
        raise DataError(f"recorded.datasets.{dataset} is of the source {entry.source}: only free_viewing has a plan")
    will = dataset in params.recorded.run
    first = f"recorded.run names {dataset}" if will else f"recorded.run leaves out {dataset}; named, it would download:"
    return plan(entry, f"recorded.datasets.{dataset}.", first)


def plan(wanted: Selection, group: str, first: str) -> str:
    """Return recordings and units by area and monkey, files and bytes by kind, and the disk space needed.

    Only the archive's listing and two tables (together under 1 MB) are fetched, if the store lacks them. Raises
    `DataError` if these cannot be fetched, or the selection is empty or names something unknown.

    Parameters
    ----------
    wanted : Selection
    group : str
        Precedes the keys of the selection in messages.
    first : str
        First line.
    """
    everything = published()
    chosen = choice.choose(everything, wanted, group)
    lines = [first]
    lines += [f"{len(chosen)} of {len(everything)} recordings, {_units(chosen)} units", ""]
    lines += _by_area(chosen)
    lines += ["", f"{'files':28}{'number':>8}{'size':>10}{'in store':>10}"]
    groups = {f"DANDI {kind}": choice.files(chosen, [kind]) for kind in wanted.kinds}
    groups["GitHub annotations"] = github.pins(sources.ANNOTATIONS)
    groups["GitHub report"] = github.pins(sources.REPORT)
    volumes = osf.locked(sources.STIMULI)
    if volumes is not None:
        groups["OSF image archive"] = volumes
    groups["all"] = [pin for pins in groups.values() for pin in pins]
    lines += [_row(name, pins) for name, pins in groups.items()]
    if volumes is None:
        lines.append(
            f"and the OSF image archive ({', '.join(sources.STIMULI.volumes)}): several GB, size not yet recorded"
        )
    lines += ["", _room(groups["all"])]
    return "\n".join(lines)


def _units(chosen: list[choice.Recording]) -> int:
    return sum(sum(recording.units.values()) for recording in chosen)


def _by_area(chosen: list[choice.Recording]) -> list[str]:
    """Return a table with a row per area and monkey; a recording of two areas counts in both."""
    number, units = Counter(), Counter()
    for recording in chosen:
        for area, n in recording.units.items():
            for monkey in (recording.monkey, "all"):
                number[area, monkey] += 1
                units[area, monkey] += n
    lines = [f"{'area':6}{'monkey':8}{'recordings':>11}{'units':>8}"]
    for area in AREAS:
        monkeys = sorted(monkey for found, monkey in number if found == area and monkey != "all")
        for monkey in [*monkeys, "all"] if monkeys else []:
            lines.append(f"{area:6}{monkey:8}{number[area, monkey]:>11}{units[area, monkey]:>8}")
    return lines


def _row(name: str, pins: list[Pin]) -> str:
    here = sum(pin.size for pin in pins if blobs.has(pin.digest, pin.size))
    return f"{name:28}{len(pins):>8}{show_bytes(sum(pin.size for pin in pins)):>10}{show_bytes(here):>10}"


def _room(pins: list[Pin]) -> str:
    lacking = sum(pin.size for pin in pins if not blobs.has(pin.digest, pin.size))
    root = store_root()
    root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root).free
    return (
        f"still to be fetched: {show_bytes(lacking)}; free in the store {root}: {show_bytes(free)}"
        + ("" if lacking < free else " - NOT ENOUGH SPACE")
        + "\nDVC's cache needs the same amount again, unless the file system can share blocks (btrfs, xfs)"
    )
