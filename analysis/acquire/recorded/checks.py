"""Requirements that a recorded data set must meet before it is written."""

from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from analysis.core.areas import AREAS, IT
from analysis.core.errors import DataError

UNIT = ("unit_ids", "subjects", "regions", "recordings")
"""Fields of `layout.Responses` with one entry per unit."""


def check_images(images: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return the table of images with `columns` as text, but ``group`` as whole numbers or empty.

    Raises
    ------
    DataError
        For a missing column, an empty table, an ``image_id`` or ``file`` that is empty, repeated or outside the folder,
        or a ``group`` that is not a whole number.
    """
    if missing := [name for name in columns if name not in images]:
        raise DataError(f"images: no column {', '.join(missing)}; give {', '.join(columns)}")
    if images.empty:
        raise DataError("images: the table is empty")
    table = images[columns].astype(object)
    table = table.where(table.notna(), "").reset_index(drop=True)
    for name in ("image_id", "file", "category", "object"):
        table[name] = table[name].astype(str)
    for name in ("image_id", "file"):
        if (table[name] == "").any():
            raise DataError(f"images: row {int((table[name] == '').argmax()) + 1} has no {name}")
        _refuse_repeats(table[name].to_numpy(), f"images: {name}")
    for name in table["image_id"]:
        if not _is_safe(name) or len(PurePosixPath(name).parts) > 1:
            raise DataError(f"images: image_id {name!r} is not a valid file name: use letters, digits, - and _")
    for name in table["file"]:
        if not _is_safe(name):
            raise DataError(f"images: file {name!r} lies outside the folder of images: give a path below it")
    table["group"] = [_whole(value, name) for value, name in table[["group", "image_id"]].itertuples(index=False)]
    return table


def check_responses(data, images: pd.DataFrame) -> None:
    """Check responses (`layout.Responses`) against their table of images.

    Raises
    ------
    DataError
        If arrays differ in length, a name is repeated or empty, an image is unknown, a rate is negative or not finite,
        an area is unknown, or a repetition of an image occurs twice.
    """
    rates = np.asarray(data.rates)
    if rates.ndim != 2 or not rates.size:
        raise DataError(f"responses: rates have shape {rates.shape}; give presentations x units")
    for name, axis in (("image_ids", 0), ("repetitions", 0), *((name, 1) for name in UNIT)):
        if np.shape(getattr(data, name)) != (rates.shape[axis],):
            n, what = np.size(getattr(data, name)), ("presentations", "units")[axis]
            raise DataError(f"responses: {n} {name} for {rates.shape[axis]} {what}; give one for each")
    if not np.isfinite(data.window_ms) or data.window_ms <= 0:
        raise DataError(f"responses: window_ms = {data.window_ms} must be positive")
    shown = np.asarray(data.image_ids).astype(str)
    _check_presentations(shown, data.repetitions, set(images["image_id"]))
    _check_units(data)
    _check_rates(rates, data.normalised, shown, np.asarray(data.unit_ids).astype(str))


def check_dissimilarities(data, images: pd.DataFrame) -> None:
    """Check published dissimilarities (`layout.Dissimilarities`) against their table of images.

    Raises
    ------
    DataError
        If the images differ from the table, the number of pairs is wrong, a system is named twice, or a distance is
        negative or not finite.
    """
    distances, named = np.asarray(data.distances), np.asarray(data.image_ids).astype(str)
    _refuse_repeats(data.systems, "dissimilarities: system")
    _refuse_repeats(named, "dissimilarities: image")
    if different := sorted(set(named.tolist()) ^ set(images["image_id"])):
        raise DataError(f"dissimilarities: image {different[0]!r} is only in them or only in the table of images")
    pairs = len(named) * (len(named) - 1) // 2
    if distances.shape != (len(data.systems), pairs):
        raise DataError(
            f"dissimilarities: shape {distances.shape} for {len(data.systems)} systems and {len(named)} images, "
            f"which have {pairs} pairs"
        )
    for system, row in zip(data.systems, distances, strict=True):
        if not (np.isfinite(row) & (row >= 0)).all():
            bad = row[~(np.isfinite(row) & (row >= 0))][0]
            raise DataError(f"dissimilarities: {system} holds {bad}: give finite distances of 0 or more")


def _check_presentations(shown: np.ndarray, repetitions: np.ndarray, known: set[str]) -> None:
    """Refuse presentations of unknown images, and repetitions that occur twice."""
    for image in shown.tolist():
        if image not in known:
            raise DataError(f"responses: image {image!r} is not among the {len(known)} images: add its row and file")
    pairs = pd.DataFrame({"image": shown, "repetition": repetitions})
    if pairs.duplicated().any():
        image, repetition = pairs[pairs.duplicated()].iloc[0]
        raise DataError(
            f"responses: repetition {repetition} of image {str(image)!r} occurs twice: number the repetitions"
        )


def _check_units(data) -> None:
    """Refuse units with a repeated name, an unknown area, or a subject or recording that cannot name a file."""
    _refuse_repeats(data.unit_ids, "responses: unit")
    for unit, region in zip(data.unit_ids, data.regions, strict=True):
        if region not in (*AREAS, IT):
            raise DataError(f"responses: unit {unit}: area {str(region)!r} is not one of {', '.join((*AREAS, IT))}")
    for name in ("subjects", "recordings"):
        for unit, value in zip(data.unit_ids, getattr(data, name), strict=True):
            if not _is_safe(str(value)) or "/" in str(value):
                raise DataError(f"responses: unit {unit}: {name[:-1]} {str(value)!r}: use letters, digits, - and _")


def _check_rates(rates: np.ndarray, normalised: bool, images: np.ndarray, units: np.ndarray) -> None:
    """Refuse rates that are not finite, or negative unless normalised; the message locates the first."""
    good = np.isfinite(rates) & ((rates >= 0) | normalised)
    if not good.all():
        row, column = np.argwhere(~good)[0].tolist()
        raise DataError(
            f"responses: unit {units[column]}, presentation {row + 1} (image '{images[row]}'): {rates[row, column]}; "
            "give finite rates of 0 or more, and leave out presentations that were not recorded"
        )


def _refuse_repeats(values, what: str) -> None:
    values = pd.Series(np.asarray(values).astype(str))
    if values.duplicated().any():
        raise DataError(f"{what} {values[values.duplicated()].iloc[0]!r} occurs twice: names must be unique")


def _is_safe(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return (
        bool(parts)
        and not path.startswith("/")
        and ".." not in parts
        and not set(path) & set("\\\0:\n\r")
        and not parts[-1].startswith(".")
    )


def _whole(value, image: str) -> int | str:
    """Return a group as a whole number, or empty."""
    if value == "":
        return ""
    try:
        number = int(value)
        if number == float(value):
            return number
    except (TypeError, ValueError):
        pass
    raise DataError(f"images: group {value!r} of {image!r} is not an integer: number the groups, or leave it empty")
