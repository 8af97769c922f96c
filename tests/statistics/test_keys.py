"""Rows are joined by image, never by position, and bad arrays are named at the door."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.core.errors import DataError
from analysis.statistics import keys
from analysis.statistics.predictivity import decoding, kernel_analysis, pls
from analysis.statistics.rsa import rdm, similarity

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(20, 30)), rng.normal(size=(20, 20))
NAMES = np.array([f"i{k:02d}" for k in range(20)])


def table(values, names=NAMES, dims=("image", "column")):
    return xr.DataArray(values, dims=dims, coords={} if names is None else {"image": names})


def test_rows_are_brought_together_by_their_keys():
    a, b = rng.permutation(20), rng.permutation(20)[:15]
    groups = {name: k // 2 for k, name in enumerate(NAMES)}
    mine, theirs, of, images = keys.join(table(X[a], NAMES[a]), table(Y[b], NAMES[b]), groups)
    rows = np.sort(b)
    assert images == NAMES[rows].tolist()
    np.testing.assert_array_equal(mine, X[rows])
    np.testing.assert_array_equal(theirs, Y[rows])
    np.testing.assert_array_equal(of, rows // 2)


def test_numbers_are_keys_too():
    numbers = np.arange(100, 120)
    groups = pd.Series(np.arange(20) // 2, index=numbers)
    _, _, of, images = keys.join(table(X, numbers), table(Y[::-1], numbers[::-1]), groups)
    assert images == numbers.astype(str).tolist()
    np.testing.assert_array_equal(of, np.arange(20) // 2)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (table(Y, None), "Y has dimensions image, column; make image the first, with a coordinate"),  # else: by place
        (table(Y.T, dims=("column", "image")), "Y has dimensions column, image; make image the first"),  # is square
        (xr.DataArray(Y), "Y has dimensions dim_0, dim_1"),
        (Y, "Y has no image keys but its partner has"),
    ],
)
def test_tables_whose_rows_have_no_keys_are_not_joined(other, message):
    with pytest.raises(DataError, match=message):
        pls.pls_predict(table(X), other, n_components=2)
    with pytest.raises(DataError, match=message):
        similarity.cka(table(X), other)
    if hasattr(other, "coords"):
        with pytest.raises(DataError, match=message.replace("Y has", "features has")):
            rdm.rdm(other)


def test_groups_of_keyed_tables_need_keys():
    with pytest.raises(DataError, match="groups has no image keys but X and Y have: give a mapping"):
        keys.join(table(X), table(Y), np.arange(20))


def test_keys_are_never_dropped():
    labels = np.arange(20) % 2
    for function in (decoding.decode, kernel_analysis.kernel_analysis):
        with pytest.raises(DataError, match="X has image keys, which are not used here"):
            function(table(X), labels)


def test_arrays_at_the_door():
    with pytest.raises(DataError, match=r"A has shape \(0, 3\); give at least one row"):
        keys.as_array("A", np.empty((0, 3)), 2)
    with pytest.raises(DataError, match=r"A does not hold numbers \(could not convert"):
        keys.as_array("A", [["one"]], 2)
    with pytest.raises(DataError, match=r"A\[1, 0\] = inf; drop or repair"):
        keys.as_array("A", [[np.nan], [np.inf]], 2, allow_nan=True)
    with pytest.raises(DataError, match=r"groups has shape \(3,\); give one per row, \(20,\)"):
        kernel_analysis.kernel_analysis(X, np.arange(20) % 2, np.arange(3))
