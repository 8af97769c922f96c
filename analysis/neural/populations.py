"""Populations: the responses of the units of one area to images, under a protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.core.areas import in_order
from analysis.params import Compare
from analysis.params.protocol import Protocol
from analysis.statistics.ceilings import Presentations
from analysis.statistics.crossval import mean_of_defined

if TYPE_CHECKING:
    import xarray as xr

MERGED = "merged"
"""Entry for recording and subject in a table merged over recordings."""


@dataclass(frozen=True)
class Population:
    """Simultaneously recorded units of one area (or units merged by column, as in the report).

    Attributes
    ----------
    recording, subject, region : str
    units, neuroid_ids : tuple of str, n_units
    images : tuple of str, n_images
        Sorted stems.
    responses : (n_images, n_units)
        Response to each image: mean rate over the fixations on it (spikes/s), or spike count summed over them.
    presentations : Presentations or None
        Presentations of the same images to the same units; None if responses are summed spike counts.
    """

    recording: str
    subject: str
    region: str
    units: tuple[str, ...]
    neuroid_ids: tuple[str, ...]
    images: tuple[str, ...]
    responses: np.ndarray
    presentations: Presentations | None


def populations(protocol_name: str, rules: Protocol, allowed: set[str]) -> Iterator[Population]:
    """Yield the populations of all recordings under a protocol, over the images `allowed`, in a fixed order.

    Parameters
    ----------
    protocol_name : str
        Folder of the recordings.
    rules : Protocol
        Its fields `fixations`, `response`, `unit_identity` and `filling` are used.
    allowed : set of str
        Stems of the images that the protocol compares.
    """
    from analysis.recordings import read  # loads xarray, which comparisons do not need

    yield from populations_of(read.all_recordings(protocol_name, stable_only=True), rules, allowed)


def populations_of(recordings: Iterator[xr.Dataset], rules: Protocol, allowed: set[str]) -> Iterator[Population]:
    """Yield the populations of recordings without units whose rate drifted, as `populations` does."""
    return IDENTITY[rules.unit_identity](recordings, rules, allowed)


def _by_recording(recordings: Iterator[xr.Dataset], rules: Protocol, allowed: set[str]) -> Iterator[Population]:
    for recording in recordings:
        regions = recording["region"].values.astype(str)
        for region in in_order(regions):
            of_area = recording.isel(unit=regions == region)
            images, responses, presentations = RESPONSE[rules.response](of_area, rules, allowed)
            if len(images):
                yield Population(
                    str(recording.attrs["recording"]),
                    str(recording.attrs["subject"]),
                    region,
                    tuple(recording["unit"].values[regions == region].astype(str)),
                    tuple(recording["neuroid_id"].values[regions == region].astype(str)),
                    images,
                    responses,
                    presentations,
                )


def _by_column(recordings: Iterator[xr.Dataset], rules: Protocol, allowed: set[str]) -> Iterator[Population]:
    """Merge the tables of an area by column number, as the report did.

    Unit k of every recording goes to column k, an image shown in several recordings keeps its last row, and empty cells
    are filled from all rows of the merged table, before images are selected.
    """
    tables: dict[str, list] = {}
    for recording in recordings:
        regions = recording["region"].values.astype(str)
        for region in in_order(regions):
            images, responses, _ = RESPONSE[rules.response](recording.isel(unit=regions == region), rules, None)
            tables.setdefault(region, []).append((images, responses))
    for region in in_order(tables):
        width = max(responses.shape[1] for _, responses in tables[region])
        rows: dict[str, np.ndarray] = {}
        for images, responses in tables[region]:
            padded = np.full((len(images), width), np.nan)
            padded[:, : responses.shape[1]] = responses
            for image, row in zip(images, padded, strict=True):
                rows[image] = row
        table = FILLING[rules.filling](np.stack(list(rows.values())))
        images = tuple(sorted(set(rows) & allowed))
        row_of = {image: row for row, image in enumerate(rows)}
        names = tuple(f"column_{k}" for k in range(width))
        if images:
            chosen = table[[row_of[image] for image in images]]
            ids = tuple(f"{region}-{name}" for name in names)
            yield Population(MERGED, MERGED, region, names, ids, images, chosen, None)


def _column_means(table: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(table), table, mean_of_defined(table))


def _rates(recording: xr.Dataset, rules: Protocol, allowed: set[str] | None):
    """Return images, the mean rate over the fixations on each, and their presentations."""
    stems = recording["stimulus_id"].values.astype(str)
    rows = FIXATIONS[rules.fixations](recording)
    rows &= np.isfinite(recording["rate"].values).all(axis=1)
    if allowed is not None:
        rows &= np.isin(stems, sorted(allowed))
    if not rows.any():
        return (), np.empty((0, recording.sizes["unit"])), None
    shown = Presentations(recording["rate"].values[rows], stems[rows], recording["trial"].values[rows])
    return tuple(shown.images), shown.means(), shown


def _counts(recording: xr.Dataset, rules: Protocol, allowed: set[str] | None):
    """Return images and the spike counts summed over all fixations on each.

    Sums depend on the number of fixations, so presentations are not repeats.
    """
    stems = recording["image"].values.astype(str)
    order = np.argsort(stems, kind="stable")
    rows = order if allowed is None else order[np.isin(stems[order], sorted(allowed))]
    return tuple(stems[rows]), recording["image_count"].values[rows].astype(np.float64), None


IDENTITY: dict[str, Callable] = {"recording": _by_recording, "column": _by_column}
RESPONSE: dict[str, Callable] = {"rate": _rates, "count": _counts}
FIXATIONS: dict[str, Callable] = {
    "selected": lambda recording: recording["selected"].values.astype(bool).copy(),
    "all": lambda recording: np.ones(recording.sizes["fixation"], dtype=bool),
}
FILLING: dict[str, Callable] = {"none": lambda table: table, "column_mean": _column_means}


def compared_images(table: pd.DataFrame, rules: Protocol, settings: Compare) -> list[str]:
    """Return the stems of the images that a protocol compares.

    The report compared its own test images; the corrected protocol compares all, or those outside the training set.
    """
    return table["stem"][IMAGES[rules.images](table, settings)].tolist()


IMAGES = {
    "test": lambda table, settings: table["split_report"] == "test",
    "all": lambda table, settings: (
        (table["split"] != "train") | (table["label"] == "unlabelled") | (settings.images == "all")
    ),
}
