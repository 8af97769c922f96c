"""Recordings and populations under any protocol, from all presentations or from half of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.core.errors import DataError
from analysis.neural.populations import FIXATIONS, IDENTITY, Population
from analysis.params.protocol import Protocol
from analysis.recordings import build, read
from analysis.recordings.annotations import Annotations, RecordingTables
from analysis.recordings.naming import Files, rasters_beside
from analysis.statistics.ceilings import step_up
from analysis.statistics.crossval import pearson

USED = {*read.RESPONSES, *read.COUNTS, "count"}
"""Variables of a recording from which populations are made; each further one slows every selection."""


@dataclass(frozen=True)
class Source:
    """The files of one recording, and its tables."""

    files: Files
    tables: RecordingTables

    @property
    def areas(self) -> frozenset[str]:
        """Areas in which it has electrodes."""
        return frozenset(self.tables.banks.values())


def find_sources(recordings: Iterable[Path], dandiset: Path, annotations: Annotations) -> list[Source]:
    """Return the files from which recordings were built, found by the session that each recording names.

    Raises
    ------
    DataError
        If a file is missing.
    """
    sources = []
    for path in recordings:
        session, name, subject = read.texts_of(path, ["session", "recording", "subject"])
        main = dandiset / session.split("_")[0] / f"{session}_image.nwb"
        if not main.is_file():
            raise DataError(f"{main} not found: run the stage acquire again")
        files = Files(name, subject, main, rasters_beside(main))
        sources.append(Source(files, annotations.of(name)))
    return sources


def build_recording(source: Source, protocol: Protocol, window_ms: int) -> xr.Dataset:
    """Build one recording under a protocol; keep its stable units and the fixations that the protocol uses."""
    processing = build.Processing(protocol, window_ms, permutations=0)
    built = build.build_recording(source.files, source.tables, None, processing)
    built = built.drop_vars(set(built.variables) - USED)
    built = built.isel(unit=built["stable"].values)
    return select_fixations(built, FIXATIONS[protocol.fixations](built))


def select_fixations(recording: xr.Dataset, rows: np.ndarray) -> xr.Dataset:
    """Return a recording with the fixations `rows` only; counts per image are summed over these."""
    if "image_count" not in recording:
        return recording.isel(fixation=rows)
    out = recording.drop_vars(["image_count", "image"]).isel(fixation=rows)
    images, index = np.unique(out["stimulus_id"].values.astype(str), return_inverse=True)
    counts = np.zeros((len(images), out.sizes["unit"]), np.int64)
    np.add.at(counts, index, out["count"].values)
    return out.assign_coords(image=("image", images)).assign(image_count=(("image", "unit"), counts))


def area_populations(recordings: list[xr.Dataset], protocol: Protocol, stems: set[str], area: str) -> list[Population]:
    """Return the populations of one area under a protocol, with responses to the images `stems`."""
    populations = IDENTITY[protocol.unit_identity](iter(recordings), protocol, stems)
    return [population for population in populations if population.region == area]


def split_presentations(recording: xr.Dataset, rng: np.random.Generator) -> tuple[xr.Dataset, xr.Dataset]:
    """Split a recording into random halves of the presentations that its trial join assigns to each image."""
    _, image = np.unique(recording["stimulus_id"].values.astype(str), return_inverse=True)
    trial = recording["trial"].values.astype(np.int64)
    pairs, presentation = np.unique(np.column_stack([image, trial]), axis=0, return_inverse=True)
    order = np.lexsort((rng.random(len(pairs)), pairs[:, 0]))
    starts = np.searchsorted(pairs[order, 0], pairs[order, 0])
    odd = rng.integers(2, size=pairs[:, 0].max(initial=0) + 1)
    in_first = np.zeros(len(pairs), bool)
    in_first[order] = (np.arange(len(pairs)) - starts + odd[pairs[order, 0]]) % 2 == 0
    rows = in_first[presentation.ravel()]
    return select_fixations(recording, rows), select_fixations(recording, ~rows)


def split_half_ceilings(
    recordings: list[xr.Dataset], protocol: Protocol, stems: set[str], area: str, n_splits: int, seed: int
) -> np.ndarray:
    """Return the split-half ceiling of each unit (or merged column), all populations concatenated, (n_units,).

    The whole protocol, including merging and filling, runs on each half of the presentations, so that the ceiling is
    that of the table compared: the mean correlation over `n_splits` splits, stepped up (`ceilings.step_up`).
    """
    rng = np.random.default_rng(seed)
    correlations = []
    for _ in range(n_splits):
        halves = [split_presentations(recording, rng) for recording in recordings]
        first, second = (area_populations([pair[k] for pair in halves], protocol, stems, area) for k in (0, 1))
        in_second = {(population.recording, population.region): population for population in second}
        by_population = []
        for one in first:
            other = in_second.get((one.recording, one.region))
            by_population.append(_correlation(one, other) if other else np.full(len(one.units), np.nan))
        correlations.append(np.concatenate(by_population) if by_population else np.empty(0))
    if len({len(row) for row in correlations}) != 1:
        return np.full(1, np.nan)
    table = np.stack(correlations)
    defined = np.isfinite(table)
    mean = np.where(defined, table, 0).sum(axis=0) / np.where(defined.any(axis=0), defined.sum(axis=0), np.nan)
    return step_up(mean)


def _correlation(one: Population, other: Population) -> np.ndarray:
    """Return Pearson's r of each unit between two halves, over the images common to both, (n_units,)."""
    common = sorted(set(one.images) & set(other.images))
    rows = []
    for population in (one, other):
        row_of = {image: row for row, image in enumerate(population.images)}
        rows.append([row_of[image] for image in common])
    if len(common) < 3 or one.responses.shape[1] != other.responses.shape[1]:
        return np.full(len(one.units), np.nan)
    return pearson(one.responses[rows[0]], other.responses[rows[1]])


def recording_of_each_image(recordings: list[xr.Dataset], area: str) -> dict[str, str]:
    """Return the recording that fills each image's row in a table merged by column: the last one that shows it."""
    recording_of = {}
    for recording in recordings:
        if area in set(recording["region"].values.astype(str)):
            for image in np.unique(recording["stimulus_id"].values.astype(str)):
                recording_of[image] = str(recording.attrs["recording"])
    return recording_of
