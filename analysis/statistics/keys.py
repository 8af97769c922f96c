"""Input checks, and joining of rows by image rather than by position."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.core.errors import DataError

LARGEST = 1e100
"""Numbers beyond it are refused: sums of their squares overflow."""


class TooFewImages(DataError):
    """Images, groups or features are too few for the requested folds or components.

    In code that scores data sets of any size, only this error means "no score"; every other `DataError` is a fault.

    Examples
    --------
    >>> from analysis.statistics import group_folds
    >>> group_folds(["a", "a", "b"], n_folds=3, seed=0)
    Traceback (most recent call last):
        ...
    analysis.statistics.keys.TooFewImages: 3 folds need at least 3 groups, not 2; use fewer folds
    """


def _is_pandas(table) -> bool:
    return hasattr(getattr(table, "index", None), "equals")  # lists have a method `index`


def has_labels(table) -> bool:
    """Return whether a table has row labels: an ``xarray.DataArray``, or a pandas table with a non-default index.

    The default index of pandas, 0 to n - 1, says no more than the position.
    """
    if not _is_pandas(table):
        return hasattr(table, "coords")
    return not np.array_equal(table.index.to_numpy(), np.arange(len(table)))


def by_position(name: str, table):
    """Return `table` if its rows can be used by position.

    Raises
    ------
    DataError
        If its rows have labels, which would be lost, or entries are masked, whose values would be used.
    """
    if hasattr(table, "coords"):
        raise DataError(f"{name} has image keys, which are not used here: order its rows and pass its .values")
    if has_labels(table):
        raise DataError(
            f"{name} has an index that is not 0, 1, 2, ..., which is not used here: order its rows and pass .to_numpy()"
        )
    return unmasked(name, table)


def unmasked(name: str, table):
    """Return `table`, or the data of a masked array that masks nothing.

    Raises
    ------
    DataError
        If an entry is masked.
    """
    if not isinstance(table, np.ma.MaskedArray):
        return table
    if n := int(np.ma.getmaskarray(table).sum()):
        raise DataError(f"{name} has {n} masked entries, whose values would be used: drop or fill them first")
    return table.data


def numbers(name: str, table, ndim: int | None = None) -> np.ndarray:
    """Return `table` as a float64 array of `ndim` dimensions (None: any); it may be empty or hold NaN and infinity.

    Raises
    ------
    DataError
        As `by_position`, or if `table` does not hold real numbers or has the wrong number of dimensions.
    """
    table = by_position(name, table)
    try:
        given = np.asarray(table)
        if given.dtype.kind == "c":
            raise DataError(f"{name} holds complex numbers; give their real parts or sizes")
        if given.dtype.kind not in "biufO" or (given.dtype.kind == "O" and any(map(_is_text, given.ravel()))):
            raise DataError(f"{name} does not hold numbers (but {_held(given)}); give an array of numbers")
        array = given.astype(np.float64, copy=False)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise DataError(f"{name} does not hold numbers ({error}); give an array of numbers") from error
    if table is None:
        raise DataError(f"{name} is None: give an array of numbers")
    if ndim is not None and array.ndim != ndim:
        raise DataError(f"{name} has shape {array.shape}; give an array of {ndim} dimensions")
    if array.size and (largest := np.max(np.abs(array), initial=0, where=np.isfinite(array))) > LARGEST:
        raise DataError(f"{name} holds {largest:g}, whose square overflows; use other units")
    return array


def _is_text(entry) -> bool:
    return isinstance(entry, str | bytes)


def _held(array: np.ndarray) -> str:
    return {"M": "dates", "m": "durations"}.get(array.dtype.kind, "text")


def numbers_alone(name: str, table, ndim: int | None = None) -> np.ndarray:
    """Return `numbers` of a table that is not matched to any other, so that a pandas index does not matter."""
    return numbers(name, same_rows(**{name: table})[0], ndim)


def as_array(name: str, table, ndim: int | None, allow_nan: bool = False) -> np.ndarray:
    """Return `table` as a checked float64 array of `ndim` dimensions (None: any).

    Raises
    ------
    DataError
        If its rows have labels, which would be lost, entries are masked, or it does not hold numbers; if the number of
        dimensions is wrong, the array is empty, or it holds infinities (or, unless `allow_nan`, NaN). The message names
        the array, the first bad entry and the fix.
    """
    array = numbers(name, table, ndim)
    if array.size == 0:
        raise DataError(f"{name} has shape {array.shape}; give at least one row and one column")
    bad = np.isinf(array) if allow_nan else ~np.isfinite(array)
    if bad.any():
        index = tuple(np.argwhere(bad)[0])
        raise DataError(f"{name}[{', '.join(map(str, index))}] = {array[index]}; drop or repair such entries first")
    return array


def same_rows(**tables) -> list:
    """Return tables whose rows are matched by position; pandas tables must all have the same index.

    Raises
    ------
    DataError
        If two indexes differ, or only some tables have one that is not 0, 1, 2, ...; the message names both tables.
    """
    indexed = {name: table for name, table in tables.items() if _is_pandas(table)}
    first = next(iter(indexed), None)
    for name, table in indexed.items():
        if not table.index.equals(indexed[first].index):
            raise DataError(f"the indexes of {first} and {name} differ; reorder with {name}.loc[{first}.index]")
    if first is not None and len(indexed) == len(tables):
        return [table.to_numpy() for table in tables.values()]
    return [by_position(name, table) if name in indexed else table for name, table in tables.items()]


def check_varies(name: str, X: np.ndarray) -> None:
    """Reject features, (n_images, n_features), that are identical for all images.

    Raises
    ------
    DataError
        If no feature varies by more than rounding.
    """
    if (np.ptp(X, axis=0) <= 1e-12 * np.abs(X).max(axis=0)).all():
        raise DataError(f"{name} is identical for all images and predicts nothing; check how it was computed")


def check_keys(name: str, keys: Sequence, rows: int) -> tuple[str, ...]:
    """Return the keys as text; they must be one per row, without repeats.

    Raises
    ------
    DataError
        If their number is not `rows`, or a key occurs twice.
    """
    given = by_position(f"keys of {name}", keys)
    if isinstance(given, str) or not np.iterable(given) or getattr(given, "ndim", 1) != 1:
        raise DataError(f"keys of {name} are not a list of image names; give one key per row")
    if any(key is None or key is pd.NA or key != key for key in given):  # NaN differs from itself
        raise DataError(f"keys of {name} have missing entries; name every image or drop those rows")
    keys = tuple(map(str, given))
    if len(keys) != rows:
        raise DataError(f"{name} has {rows} rows but {len(keys)} image keys; give one key per row")
    if len(set(keys)) != len(keys):
        twice = next(key for i, key in enumerate(keys) if key in keys[:i])
        raise DataError(f"{name} holds image {twice!r} twice; average or drop the repeated rows first")
    return keys


def keys_of(name: str, table) -> tuple[str, ...]:
    """Return the image keys of an ``xarray.DataArray`` or a pandas table; they must be one per row, without repeats.

    Raises
    ------
    DataError
        If ``image`` is not the first dimension of a DataArray or has no coordinate (xarray would number the rows
        instead), or a key occurs twice.
    """
    if not hasattr(table, "coords"):
        return check_keys(name, table.index, len(table))
    if table.dims[0] != "image" or "image" not in table.coords:
        given = ", ".join(map(str, table.dims))
        raise DataError(f"{name} has dimensions {given}; make image the first, with a coordinate that names each image")
    return check_keys(name, table["image"].values, len(table))


def one_per_row(name: str, labels, rows: int | None = None) -> np.ndarray:
    """Return `labels` as an array, (rows,); without `rows`, of any length.

    Raises
    ------
    DataError
        If it is not an array, there is not one label per row, a label is missing (None, NaN), or as `by_position`.
    """
    try:
        array = np.asarray(by_position(name, labels))
    except (ValueError, RuntimeError) as error:  # ragged lists, tensors that require a gradient
        raise DataError(f"{name} is not an array ({error}); give one entry per row") from error
    if array.ndim != 1 or (rows is not None and len(array) != rows):
        raise DataError(f"{name} has shape {array.shape}; give one per row, ({'n' if rows is None else rows},)")
    if array.dtype.kind in "fcO" and (absent := pd.isna(array)).any():  # NaN equals no other NaN
        raise DataError(f"{name} has no entry in row {absent.argmax()}; fill it in or drop the row")
    return array


def fold_numbers(name: str, folds, shape: tuple[int, ...]) -> np.ndarray:
    """Return folds as an array of int.

    Raises
    ------
    DataError
        If their shape is not `shape`, one is not a whole number, none is 0 or more, or as `by_position`.
    """
    array = numbers(name, folds)
    if array.shape != shape:
        raise DataError(f"{name} has shape {array.shape}; give a fold for each image, {shape}")
    if not (np.isfinite(array) & (array == np.floor(array))).all() or not (array >= 0).any():
        raise DataError(f"{name} must hold whole numbers, from 0 for images that are tested (-1: never)")
    return array.astype(np.intp)


def check_level(level: float) -> None:
    """Reject a confidence level outside 0 to 1.

    Raises
    ------
    DataError
    """
    if not 0 < level < 1:
        raise DataError(f"level={level!r}; give a fraction between 0 and 1, such as 0.95")


def check_number(name: str, value: int, least: int) -> None:
    """Reject a count that is not a whole number of at least `least`.

    Raises
    ------
    DataError
    """
    if not isinstance(value, (int, np.integer)) or value < least:
        raise DataError(f"{name}={value!r}; give a whole number of at least {least}")


def of_images(name: str, entries, images: Sequence[str]) -> np.ndarray:
    """Return the entry of each image, (n_images,), from a mapping or pandas Series by image key.

    Raises
    ------
    DataError
        If `entries` is not a mapping, or an image has no entry.
    """
    if not hasattr(entries, "items"):
        raise DataError(f"{name} has no image keys but the images have: give a mapping from image to entry")
    of = {str(image): entry for image, entry in entries.items()}
    if missing := [image for image in images if image not in of]:
        raise DataError(f"{name} has no entry for image {missing[0]!r} ({len(missing)} missing)")
    return one_per_row(name, [of[image] for image in images])


def shared(*keys: Sequence[str]) -> tuple[list[str], list[np.ndarray]]:
    """Return the keys common to all sequences, sorted, and for each sequence the rows that hold them."""
    common = sorted(set(keys[0]).intersection(*keys[1:]))
    row_of = [{key: row for row, key in enumerate(sequence)} for sequence in keys]
    return common, [np.array([rows[key] for key in common], dtype=np.intp) for rows in row_of]


def join(X, Y, groups=None, at_least: int = 2):
    """Match the rows of a model's features and of neural responses.

    Parameters
    ----------
    X, Y : (n_images, n_features), (n_images, n_units)
        Both plain arrays, whose rows must correspond, or both keyed: an ``xarray.DataArray`` with a first dimension
        ``image`` and its coordinate, or a pandas table indexed by image names. Keyed tables are joined by image, in
        sorted order, without images that only one of them holds. The index 0, 1, 2, ... does not count as keys.
    groups : (n_images,), optional
        Near-duplicate group of each row; with keyed `X` and `Y`, a mapping or Series from image to group.
        Default: each image is its own group.
    at_least : int
        Minimum number of joined images.

    Returns
    -------
    X, Y, groups, images
        Arrays in the same order, and the image keys (None for plain arrays).

    Raises
    ------
    DataError
        If only one has keys, shapes disagree, or X is not finite.
    TooFewImages
        If they share fewer than `at_least` images.
    """
    keyed = [has_labels(array) for array in (X, Y)]
    if _is_pandas(X) and _is_pandas(Y) and any(keyed):
        keyed = [True, True]  # two pandas tables: the index 0, 1, 2, ... of one may reorder that of the other
    if keyed[0] != keyed[1]:
        plain = "Y" if keyed[0] else "X"
        raise DataError(
            f"{plain} has no image keys but its partner has: give both as xarray.DataArray with 'image', or as pandas "
            "tables indexed by image"
        )
    if not keyed[0]:
        X, Y = as_array("X", X, 2), as_array("Y", Y, 2, allow_nan=True)
        if len(X) != len(Y):
            raise DataError(f"X has {len(X)} rows and Y {len(Y)}; give the same images in both, or key them by image")
        groups = np.arange(len(X)) if groups is None else one_per_row("groups", groups, len(X))
        images = None
    else:
        keys = [keys_of(name, array) for name, array in (("X", X), ("Y", Y))]
        images, (rows_x, rows_y) = shared(*keys)
        if len(images) < at_least:
            raise TooFewImages(
                f"X and Y share {len(images)} images; at least {at_least} are needed: compare their keys"
            )
        X, Y = (unmasked(name, array.values) for name, array in (("X", X), ("Y", Y)))
        X, Y = as_array("X", X[rows_x], 2), as_array("Y", Y[rows_y], 2, allow_nan=True)
        groups = np.arange(len(images)) if groups is None else of_images("groups", groups, images)
    if len(X) < at_least:
        raise TooFewImages(f"X has {len(X)} images; at least {at_least} are needed")
    return X, Y, groups, images
