"""Every public function refuses what it would misread: masked, reordered, missing, complex or misshapen input."""

import inspect

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import analysis.statistics as public
from analysis.core.errors import DataError

rng = np.random.default_rng(0)
N = 40
X = rng.normal(size=(N, 6))
Y = X[:, :3] + rng.normal(size=(N, 3))
P = Y + rng.normal(size=Y.shape)
LABELS, GROUPS, FOLDS, IMAGES = np.resize([0, 1], N), np.arange(N), np.arange(N) % 5, [f"i{k}" for k in range(N)]
MODEL, NEURAL = public.rdm(X), public.rdm(Y)
SHOWN, TRIAL, ORDINAL = np.repeat(np.arange(N), 3), np.arange(3 * N), np.tile([0, 1, 2], N)
RATES, PATCHES = np.repeat(Y, 3, axis=0) + rng.normal(size=(3 * N, 3)), np.repeat(X, 3, axis=0)
A, B, UNITS = rng.uniform(size=12), rng.uniform(size=12), np.arange(12) // 2
PARTITIONS, NULL, DISTANCES = rng.normal(size=(3, N, 4)), rng.normal(size=(20, 12)), MODEL.distances
SIX, HALF, UNIT, EYE, CATEGORIES = np.arange(6), np.full(3, 0.5), np.ones(3), np.eye(4), np.arange(N) // 8


def draws(observed=Y, predicted=P, folds=FOLDS, groups=GROUPS, scale=UNIT):
    return public.predictivity_draws([public.Predictions(observed, predicted, folds, groups, scale)], n_draws=5)


def permuted(groups=LABELS):
    return public.permutation_test(lambda order: X[order, 0] @ Y[:, 0], N, groups=groups, n_permutations=5)


def two_way(images=GROUPS):
    return public.two_way_interval(lambda counts: counts @ Y / counts.sum(axis=1)[:, None], images, n_draws=5)


CALLS = {
    "RDM": lambda distances=DISTANCES: public.RDM(distances, "x"),
    "banded_predict": lambda X=X, Y=Y, folds=FOLDS, groups=GROUPS: public.banded_predict([X], Y, folds, groups),
    "best_layer": lambda X=X, Y=Y: public.best_layer({"layer": X}, Y, FOLDS[None], 2),
    "bootstrap_interval": lambda values=A, levels=UNITS: public.bootstrap_interval(values, levels=[levels], n_draws=5),
    "bootstrap_rsa": lambda subjects=SIX: public.bootstrap_rsa([MODEL], [NEURAL] * 6, subjects=subjects, n_draws=3),
    "category_rdm": lambda features=X, categories=CATEGORIES: public.category_rdm(features, categories),
    "cka": lambda X=X, Y=Y: public.cka(X, Y),
    "crossnobis": lambda responses=PARTITIONS, precision=EYE: public.crossnobis(responses, precision),
    "decode": lambda X=X, labels=LABELS, groups=GROUPS, levels=LABELS: public.decode(X, labels, groups, levels),
    "decode_classes": lambda X=X, labels=LABELS, groups=GROUPS: public.decode_classes(X, labels, groups),
    "fdr": lambda p=A: public.fdr(p),
    "fixation_predict": lambda features=PATCHES, rates=RATES, images=SHOWN, ordinal=ORDINAL, rsc=HALF: (
        public.fixation_predict(features, rates, images, ordinal, rsc)
    ),
    "group_folds": lambda groups=GROUPS: public.group_folds(groups, 4, 0),
    "holm": lambda p=A: public.holm(p),
    "kernel_analysis": lambda X=X, labels=LABELS, groups=GROUPS: public.kernel_analysis(X, labels, groups),
    "label_rdms": lambda labels=LABELS: public.label_rdms(labels),
    "learning_curve": lambda X=X, labels=LABELS, groups=GROUPS: public.learning_curve(X, labels, groups, sizes=[4]),
    "match_noise": lambda features=X, reliability=HALF: public.match_noise(features, reliability, 2, 0),
    "max_t": lambda observed=A, null=NULL: public.max_t(observed, null),
    "noise_corrected": lambda pearson_r=A, reliability=B: public.noise_corrected(pearson_r, reliability),
    "normalised": lambda pearson_r=A, reliability=B: public.normalised(pearson_r, reliability),
    "p_value": lambda null=A: public.p_value(0.5, null),
    "paired_test": lambda a=A, b=B, clusters=UNITS: public.paired_test(a, b, clusters, n_permutations=9),
    "partial_rho": lambda strata=LABELS, clusters=GROUPS: public.partial_rho(
        MODEL, NEURAL, strata=strata, clusters=clusters, n_permutations=5, n_draws=5
    ),
    "partition_variance": lambda X=X, labels=LABELS, Y=Y, folds=FOLDS, groups=GROUPS: public.partition_variance(
        X, labels, Y, folds, groups
    ),
    "pearson": lambda a=Y, b=P: public.pearson(a, b),
    "percentile_interval": lambda draws=A: public.percentile_interval(draws),
    "permutation_test": permuted,
    "pls_predict": lambda X=X, Y=Y, groups=GROUPS: public.pls_predict(X, Y, groups, 2),
    "predict_unseen": lambda X=X, Y=Y, labels=LABELS, groups=GROUPS: public.predict_unseen(X, Y, labels, groups),
    "predict_within": lambda X=X, Y=Y, labels=LABELS, groups=GROUPS: public.predict_within(X, Y, labels, groups),
    "predictivity_draws": draws,
    "r2_score": lambda observed=Y, predicted=P, reference=P: public.r2_score(observed, predicted, reference),
    "rdm": lambda features=X: public.rdm(features),
    "reliability": lambda rates=RATES, images=SHOWN, presentations=TRIAL: public.reliability(
        rates, images, presentations
    ),
    "reweighted_rho": lambda features=X, groups=GROUPS: public.reweighted_rho(features, NEURAL, groups),
    "ridge_predict": lambda X=X, Y=Y, groups=GROUPS: public.ridge_predict(X, Y, groups),
    "rsa_draws": lambda clusters=SIX: public.rsa_draws({"m": [MODEL] * 6}, [NEURAL] * 6, clusters=clusters, n_draws=5),
    "step_up": lambda r=A: public.step_up(r),
    "student_interval": lambda values=A: public.student_interval(values),
    "two_way_interval": two_way,
}
NO_ARRAYS = {"compare_rdms", "contrast", "noise_ceiling", "upper_bound"}  # take RDMs or draws, checked when made
ARGUMENTS = [(name, argument) for name, call in CALLS.items() for argument in inspect.signature(call).parameters]
ALONE = {"bootstrap_rsa", "fdr", "holm", "p_value", "percentile_interval", "rdm", "step_up", "student_interval"}
ANY_LENGTH = {*ALONE, "RDM", "group_folds", "label_rdms", "match_noise", "crossnobis", "two_way_interval"}


def value_of(name, argument):
    return np.asarray(inspect.signature(CALLS[name]).parameters[argument].default)


def masked(values):
    return np.ma.array(values, mask=np.arange(values.size).reshape(values.shape) == 0)


def reordered(values):
    order = np.roll(np.arange(len(values)), 1)
    return (pd.Series if values.ndim == 1 else pd.DataFrame)(values[order], index=order)


def without_one(values):
    values = values.astype(object)
    values[0] = None
    return values


def test_every_public_function_is_tried():
    functions = {name for name in public.__all__ if inspect.isfunction(getattr(public, name))}
    assert functions <= CALLS.keys() | NO_ARRAYS
    for call in CALLS.values():
        call()


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_masked_and_complex_entries_are_refused(name, argument):
    values = value_of(name, argument)
    with pytest.raises(DataError, match="masked entries, whose values would be used"):
        CALLS[name](**{argument: masked(values)})
    if values.dtype.kind == "f":
        with pytest.raises(DataError, match="holds complex numbers"):
            CALLS[name](**{argument: values + 1j})


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_an_index_that_its_partner_lacks_is_refused(name, argument):
    values = value_of(name, argument)
    if values.ndim == 3 or (name in ALONE and name != "bootstrap_rsa"):
        return
    with pytest.raises(DataError, match=r"index|no image keys"):
        CALLS[name](**{argument: reordered(values)})


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_dimensions_of_xarray_are_never_dropped(name, argument):
    values = value_of(name, argument)
    table = xr.DataArray(values, dims=("image", "b", "c")[: values.ndim], coords={"image": np.arange(len(values))})
    with pytest.raises(DataError, match="image"):
        CALLS[name](**{argument: table.transpose(..., "image") if values.ndim > 1 else table})


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_wrong_lengths_and_kinds_are_refused(name, argument):
    values = value_of(name, argument)
    wrong = [values[:-1], values[:0], values[..., None]] if name not in ANY_LENGTH else []
    if values.dtype.kind == "f":
        wrong.append(np.full(values.shape, "one"))
    for bad in wrong:
        if (name, argument) == ("max_t", "null") and bad.shape == values[:-1].shape:
            continue  # fewer permutations
        with pytest.raises(DataError):
            CALLS[name](**{argument: bad})


@pytest.mark.parametrize(
    ("name", "argument"), [pair for pair in ARGUMENTS if value_of(*pair).dtype.kind == "i" and pair[1] != "ordinal"]
)
def test_a_row_without_label_is_refused(name, argument):
    with pytest.raises(DataError, match=r"no entry in row 0|whole numbers|hold numbers"):
        CALLS[name](**{argument: without_one(value_of(name, argument))})
    with pytest.raises(DataError, match=r"no entry in row 0|whole numbers|must hold"):
        CALLS[name](**{argument: np.where(np.arange(len(value_of(name, argument))) == 0, np.nan, 1.0)})


def test_the_order_of_a_table_read_alone_does_not_matter():
    frame = reordered(A)
    np.testing.assert_array_equal(public.holm(frame), public.holm(frame.to_numpy()))
    assert public.percentile_interval(frame) == public.percentile_interval(A)
    clusters = pd.Series(UNITS, index=np.arange(12)).loc[frame.index]
    np.testing.assert_allclose(
        public.paired_test(frame, pd.Series(B).loc[frame.index], clusters), public.paired_test(A, B, UNITS)
    )


@pytest.mark.parametrize("keys", [5, "abc", [1.0, np.nan, 2.0], [None, "a", "b"], np.ma.masked_less([1, 2, 3], 2)])
def test_image_keys_are_names(keys):
    with pytest.raises(DataError, match="keys of the RDM"):
        public.RDM(np.ones(3), "x", keys)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draws(folds=np.arange(N)), "no fold of recording 0 tests 3 images"),
        (lambda: draws(folds=FOLDS + 0.5), "must hold whole numbers"),
        (lambda: public.banded_predict([X], Y, np.full(N, -1)), "must hold whole numbers, from 0"),
        (lambda: public.predict_within(X[:-1], Y, LABELS), "X has 39 rows and Y 40"),
        (lambda: public.ridge_predict(X, Y, folds=2.5), "folds=2.5; give a whole number of at least 2"),
        (lambda: public.decode(X, LABELS, repeats=0), "repeats=0; give a whole number of at least 1"),
        (lambda: public.kernel_analysis(X, LABELS, widths=[2.0]), "widths holds values outside 0 to 1"),
        (lambda: draws().interval(level=95), "level=95; give a fraction"),
        (lambda: public.fdr(A, q=5), "level=5; give a fraction"),
        (lambda: public.percentile_interval(A, level=95), "level=95"),
        (lambda: public.pearson(Y, P[:1]), r"a has shape \(40, 3\) and b \(1, 3\)"),
    ],
)
def test_settings_outside_their_range_are_refused(call, message):
    with pytest.raises(DataError, match=message):
        call()


def test_strata_and_clusters_are_joined_by_image():
    model, neural = public.rdm(X, images=IMAGES), public.rdm(Y, images=IMAGES)
    options = {"n_permutations": 9, "n_draws": 9}
    plain = public.partial_rho(model, neural, strata=LABELS, clusters=CATEGORIES, **options)
    order = rng.permutation(N)
    series = (pd.Series(values, index=IMAGES).iloc[order] for values in (LABELS, CATEGORIES))
    assert (
        public.partial_rho(model, neural, **dict(zip(("strata", "clusters"), series, strict=True)), **options) == plain
    )


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (X.astype(str), "does not hold numbers (but text)"),
        (X.astype(str).astype(object), "does not hold numbers (but text)"),
        ((X * 1e9).astype("datetime64[s]"), "does not hold numbers (but dates)"),
        ([[1.0, 2.0], [1.0]], "does not hold numbers"),
        (X * 1e200, "whose square overflows"),
        (X + 1j, "complex"),
    ],
)
@pytest.mark.parametrize("name", ["rdm", "cka", "pls_predict", "pearson", "decode"])
def test_what_is_no_number_or_too_large_is_not_read_as_one(name, values, why):
    with pytest.raises(DataError) as caught:
        CALLS[name](values)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: public.paired_test(A, B, n_permutations=-1), "n_permutations=-1; give a whole number of at least 0"),
        (
            lambda: public.noise_ceiling([MODEL, NEURAL, MODEL], n_subjects=2, n_subsets=0),
            "n_subsets=0; give a whole number of at least 1",
        ),
        (lambda: public.percentile_interval(A, limits=(1, 0)), r"limits=\(1, 0\); give the lower and the upper"),
        (lambda: public.crossnobis(PARTITIONS, -EYE), "precision is no inverse covariance"),
        (lambda: public.crossnobis(PARTITIONS, np.triu(np.ones((4, 4)))), "precision is no inverse covariance"),
        (lambda: public.step_up([1.5]), "r holds 1.5; give correlations"),
        (lambda: public.step_up(A, 0), "length_ratio=0; give the ratio"),
    ],
)
def test_options_without_a_meaning_are_refused(call, why):
    with pytest.raises(DataError, match=why):
        call()
