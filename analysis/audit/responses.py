"""Recordings and populations under any protocol, whole or from half of their presentations."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.core.errors import DataError
from analysis.neural.populations import FIXATIONS, IDENTITY, Population
from analysis.params.protocol import Protocol
from analysis.recordings.annotations import Annotations
from analysis.recordings.build import Processing, build_recording
from analysis.recordings.naming import Files, rasters_beside
from analysis.statistics.ceilings import spearman_brown
from analysis.statistics.crossval import pearson


@dataclass(frozen=True)
class Source:
    """One recording and where it comes from."""

    files: Files
    areas: frozenset[str]


def sources(recordings: Iterable[xr.Dataset], dandiset: Path, annotations: Annotations) -> list[Source]:
    """Return the files of recordings already built, by the session they name."""
    out = []
    for one in recordings:
        session = str(one.attrs["session"])
        main = dandiset / session.split("_")[0] / f"{session}_image.nwb"
        if not main.is_file():
            raise DataError(f"{main} not found: run the stage acquire again")
        name = str(one.attrs["recording"])
        files = Files(name, str(one.attrs["subject"]), main, rasters_beside(main))
        out.append(Source(files, frozenset(annotations.of(name).banks.values())))
    return out


def recording(source: Source, annotations: Annotations, rules: Protocol, window_ms: int) -> xr.Dataset:
    """Build one recording under a protocol and keep its stable units and the fixations that the protocol uses."""
    tables = annotations.of(source.files.name)
    built = build_recording(source.files, tables, None, Processing(rules, window_ms, permutations=0))
    built = built.isel(unit=built["stable"].values)
    return part(built, FIXATIONS[rules.fixations](built))


def part(recorded: xr.Dataset, rows: np.ndarray) -> xr.Dataset:
    """Return the recording with the fixations `rows` alone, its counts per image summed over them."""
    if "image_count" not in recorded:
        return recorded.isel(fixation=rows)
    out = recorded.drop_vars(["image_count", "image"]).isel(fixation=rows)
    images, index = np.unique(out["stimulus_id"].values.astype(str), return_inverse=True)
    counts = np.zeros((len(images), out.sizes["unit"]), np.int64)
    np.add.at(counts, index, out["count"].values)
    return out.assign_coords(image=("image", images)).assign(image_count=(("image", "unit"), counts))


def population_list(recorded: list[xr.Dataset], rules: Protocol, allowed: set[str], area: str) -> list[Population]:
    """Return the populations of one area under a protocol."""
    return [one for one in IDENTITY[rules.unit_identity](iter(recorded), rules, allowed) if one.region == area]


def halves(recorded: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, xr.Dataset]:
    """Split a recording into random halves of the presentations said to show each image."""
    _, image = np.unique(recorded["stimulus_id"].values.astype(str), return_inverse=True)
    trial = recorded["trial"].values.astype(np.int64)
    pairs, showing = np.unique(np.column_stack([image, trial]), axis=0, return_inverse=True)
    order = np.lexsort((rng.random(len(pairs)), pairs[:, 0]))
    starts = np.searchsorted(pairs[order, 0], pairs[order, 0])
    odd = rng.integers(2, size=pairs[:, 0].max(initial=0) + 1)
    first = np.zeros(len(pairs), bool)
    first[order] = (np.arange(len(pairs)) - starts + odd[pairs[order, 0]]) % 2 == 0
    rows = first[showing.ravel()]
    return part(recorded, rows), part(recorded, ~rows)


def ceilings(
    recorded: list[xr.Dataset], rules: Protocol, allowed: set[str], area: str, n: int, seed: int
) -> np.ndarray:
    """Return the split-half ceiling of each unit (or merged column), all populations in a row.

    The whole protocol runs on each half of the presentations, its merging and filling included, so that the ceiling is
    that of the table which is compared. Spearman-Brown of the mean correlation over `n` splits.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        pairs = [halves(one, rng) for one in recorded]
        first, second = (population_list([pair[k] for pair in pairs], rules, allowed, area) for k in (0, 1))
        known = {(one.recording, one.region): one for one in second}
        row = []
        for one in first:
            other = known.get((one.recording, one.region))
            row.append(_correlation(one, other) if other else np.full(len(one.units), np.nan))
        found.append(np.concatenate(row) if row else np.empty(0))
    if len({len(row) for row in found}) != 1:
        return np.full(1, np.nan)
    table = np.stack(found)
    known = np.isfinite(table)
    mean = np.where(known, table, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    return spearman_brown(mean)


def _correlation(one: Population, other: Population) -> np.ndarray:
    both = sorted(set(one.images) & set(other.images))
    rows = [
        [place[image] for image in both] for place in ({i: k for k, i in enumerate(p.images)} for p in (one, other))
    ]
    if len(both) < 3 or one.responses.shape[1] != other.responses.shape[1]:
        return np.full(len(one.units), np.nan)
    return pearson(one.responses[rows[0]], other.responses[rows[1]])


def block_of(recorded: list[xr.Dataset], rules: Protocol, area: str) -> dict[str, str]:
    """Return the recording from which each image's row comes in a table merged by column: the last that shows it."""
    out = {}
    for one in recorded:
        if area in set(one["region"].values.astype(str)):
            for image in np.unique(one["stimulus_id"].values.astype(str)):
                out[image] = str(one.attrs["recording"])
    return out
