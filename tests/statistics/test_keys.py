"""Rows are joined by image, never by position, and bad arrays are named at the door."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.core.errors import DataError
from analysis.statistics import ceilings, crossval, keys
from analysis.statistics.predictivity import decoding, fixations, kernel_analysis, layer_choice, pls, ridge
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
    with pytest.raises(DataError, match="groups has no image keys but the images have: give a mapping"):
        keys.join(table(X), table(Y), np.arange(20))


def test_keys_are_never_dropped():
    labels = np.arange(20) % 2
    for function in (decoding.decode, kernel_analysis.kernel_analysis):
        with pytest.raises(DataError, match="X has image keys, which are not used here"):
            function(table(X), labels)


def test_arrays_at_the_door():
    with pytest.raises(DataError, match=r"A has shape \(0, 3\); give at least one row"):
        keys.as_array("A", np.empty((0, 3)), 2)
    with pytest.raises(DataError, match=r"A does not hold numbers \(but text\)"):
        keys.as_array("A", [["one"]], 2)
    with pytest.raises(DataError, match=r"A\[1, 0\] = inf; drop or repair"):
        keys.as_array("A", [[np.nan], [np.inf]], 2, allow_nan=True)
    with pytest.raises(DataError, match=r"groups has shape \(3,\); give one per row, \(20,\)"):
        kernel_analysis.kernel_analysis(X, np.arange(20) % 2, np.arange(3))


def frame(values, rows=slice(None)):
    return pd.DataFrame(values, index=NAMES).iloc[rows]


def test_pandas_tables_are_joined_by_their_index():
    order = rng.permutation(20)[:17]
    plain = ridge.ridge_predict(X[np.sort(order)], Y[np.sort(order)])
    found = ridge.ridge_predict(frame(X), frame(Y, order))
    assert list(found.images) == NAMES[np.sort(order)].tolist()
    np.testing.assert_array_equal(found.r2, plain.r2)
    mixed = ridge.ridge_predict(table(X), frame(Y, order), pd.Series(np.arange(20), NAMES))
    np.testing.assert_array_equal(mixed.predicted, found.predicted)
    assert similarity.cka(frame(X), frame(Y, order)) == similarity.cka(frame(X, order), frame(Y, order))
    one, other = rdm.rdm(frame(X)), rdm.rdm(frame(X, order))
    assert other.images == tuple(NAMES[order])
    assert similarity.compare_rdms(one, other) == 1


def test_numbers_in_another_order_are_labels():
    order = rng.permutation(20)
    found = keys.join(pd.DataFrame(X), pd.DataFrame(Y).iloc[order])
    rows = [int(image) for image in found[3]]
    np.testing.assert_array_equal(found[0], X[rows])
    np.testing.assert_array_equal(found[1], Y[rows])
    plain = keys.join(pd.DataFrame(X), pd.DataFrame(Y))  # 0, 1, 2, ... in both: by position, in the order given
    np.testing.assert_array_equal(plain[1], Y)
    assert plain[3] is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: keys.join(X, frame(Y)), "X has no image keys but its partner has"),
        (lambda s: keys.join(pd.DataFrame(X), table(Y)), "X has no image keys but its partner has"),
        (lambda s: keys.join(X, Y, s), "groups has an index that is not 0, 1, 2"),
        (lambda s: decoding.decode(X, s % 2), "labels has an index that is not 0, 1, 2"),
        (lambda s: decoding.decode(X, np.arange(20) % 2, s), "groups has an index"),
        (lambda s: kernel_analysis.kernel_analysis(frame(X), s % 2), "X has an index"),
        (lambda s: crossval.pearson(s, s), "a has an index"),
        (lambda s: crossval.r2_score(Y[:, 0], s), "predicted has an index"),
        (lambda s: crossval.group_folds(s, 2, 0), "groups has an index"),
        (lambda s: ceilings.reliability(X, s % 9, np.arange(20)), "images has an index"),
        (lambda s: ceilings.reliability(frame(X), s % 9, s), "the indexes of rates and images differ"),
        (
            lambda s: ceilings.noise_corrected(pd.Series(X[0, :20]), s),
            "the indexes of pearson_r and reliability differ",
        ),
        (
            lambda s: fixations.fixation_predict(X, frame(Y), s, s % 2, np.ones(20)),
            "the indexes of rates and images differ",
        ),
    ],
)
def test_an_index_in_another_order_is_never_ignored(call, message):
    with pytest.raises(DataError, match=message):
        call(pd.Series(np.arange(20), index=np.roll(np.arange(20), 3)))


def test_tables_of_one_index_are_read_row_by_row():
    rows = pd.DataFrame(rng.normal(size=(60, 4)), columns=list("abcd")).assign(
        image=np.arange(60) % 15, trial=range(60)
    )
    kept = rows.sample(frac=1, random_state=1)
    found = ceilings.reliability(kept[list("abcd")], kept["image"], kept["trial"])
    plain = ceilings.reliability(rows[list("abcd")].to_numpy(), rows["image"].to_numpy(), rows["trial"].to_numpy())
    np.testing.assert_allclose(found.value, plain.value, rtol=1e-9)


MASKED = np.ma.masked_greater(X, 1.5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: rdm.rdm(MASKED),
        lambda: rdm.crossnobis(np.ma.stack([MASKED, MASKED])),
        lambda: pls.pls_predict(MASKED, Y, n_components=2),
        lambda: ridge.ridge_predict(X, MASKED),
        lambda: layer_choice.best_layer({"top": MASKED}, Y, np.arange(20)[None] % 4, 2),
        lambda: ceilings.reliability(MASKED, np.arange(20) // 2, np.arange(20)),
        lambda: ceilings.reliability(X, np.ma.masked_less(np.arange(20) // 2, 3), np.arange(20)),
        lambda: ceilings.noise_corrected(np.ma.masked_less([0.1, 0.2], 0.2), [0.5, 0.5]),
        lambda: decoding.decode(X, np.ma.masked_less(np.arange(20) % 2, 1)),
        lambda: crossval.pearson(MASKED, X),
        lambda: crossval.r2_score(X, MASKED),
        lambda: crossval.group_folds(np.ma.masked_less(np.arange(20), 3), 2, 0),
    ],
)
def test_masked_entries_are_refused(call):
    with pytest.raises(DataError, match="masked entries, whose values would be used"):
        call()


def test_masked_arrays_without_masked_entries_are_arrays():
    np.testing.assert_array_equal(keys.as_array("X", np.ma.array(X), 2), X)
    np.testing.assert_array_equal(rdm.rdm(np.ma.array(X)).distances, rdm.rdm(X).distances)


FEW = "a fold tests {} of 20 images; the correlations within folds, whose mean is the score, need 3; use fewer folds"


@pytest.mark.parametrize(("folds", "n"), [(20, 1), (12, 1), (10, 2), (7, 2)])
def test_folds_too_small_for_a_correlation_are_refused(folds, n):
    for call in (
        lambda: pls.pls_predict(X, Y, n_components=2, folds=folds),
        lambda: ridge.ridge_predict(X, Y, folds=folds),
        lambda: layer_choice.best_layer({"top": X}, Y, crossval.group_folds(np.arange(20), folds, 0)[None], 2),
    ):
        with pytest.raises(crossval.TooFewImages, match=FEW.format(n)):
            call()
    assert np.isfinite(pls.pls_predict(X, Y, n_components=2, folds=6).pearson_r).all()


def test_a_list_of_components_is_refused():
    with pytest.raises(DataError, match=r"n_components=\[1, 2\]"):
        pls.pls_predict(X, Y, n_components=[1, 2])


@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
def test_features_that_never_vary_are_named_and_not_the_penalties(level):
    constant = np.full((20, 5), level)
    for alphas in (None, [1.0]):
        with pytest.raises(DataError, match="X is identical for all images"):
            ridge.ridge_predict(constant, Y, alphas=alphas)
    with pytest.raises(DataError, match="features is identical for all images"):
        fixations.fixation_predict(constant, Y, np.arange(20), np.ones(20), np.ones(20), folds=2)
    with pytest.raises(DataError, match="features do not vary"):
        decoding.match_noise(constant, [0.3], 2, 0)
    assert ridge.ridge_predict(constant + np.eye(20, 5), Y).r2.shape == (20,)
