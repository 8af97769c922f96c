import numpy as np
import pytest

from analysis.core.errors import DataError
from analysis.recordings import repeatability
from analysis.statistics.predictivity import fixations


def simulate(n_images=80, per_image=16, n_units=6, noise=2.0, seed=0):
    """Fixations fall on one of 4 places of an image; each place has its own features, which drive the units."""
    rng = np.random.default_rng(seed)
    n = n_images * per_image
    image = np.repeat(np.arange(n_images), per_image)
    place = rng.integers(0, 4, n)
    seen = rng.normal(size=(n_images, 4, 6))
    features = seen[image, place]
    truth = features @ rng.normal(size=(6, n_units)) / np.sqrt(6)
    rates = 20 + truth + noise * rng.normal(size=truth.shape)
    xy = np.column_stack([10.0 * place, np.zeros(n)]) + rng.uniform(-0.2, 0.2, (n, 2))
    ordinal = np.where(np.arange(n) % 4 == 0, 0, np.arange(n) % 4)
    images = np.array([f"i{k}" for k in image])
    pairs = repeatability.return_pairs(images, xy)
    rsc = repeatability.self_consistency(rates, repeatability.across_trials(pairs, np.arange(n)))
    return features, rates, images, ordinal, rsc, truth, image


def test_a_model_that_sees_what_the_unit_sees_explains_all_that_can_be():
    features, rates, images, ordinal, rsc, truth, _ = simulate()
    found = fixations.fixation_predict(features, rates, images, ordinal, rsc)
    assert set(found) == {"zeroth", "later"}
    assert found["zeroth"].n == 320
    assert found["later"].n == 960
    np.testing.assert_allclose(np.median(found["later"].explained), 1, atol=0.15)
    noise_free = np.array([np.corrcoef(truth[:, k], rates[:, k])[0, 1] for k in range(6)])
    np.testing.assert_allclose(noise_free, np.sqrt(rsc), atol=0.06)  # sqrt(RSC) is what a noise-free model reaches
    assert np.median(found["later"].published) > np.median(found["later"].explained)


def test_the_whole_image_says_less_than_the_patch():
    features, rates, images, ordinal, rsc, _, image = simulate()
    whole = np.stack([features[image == k].mean(axis=0) for k in range(80)])[image]
    patch = fixations.fixation_predict(features, rates, images, ordinal, rsc)["later"]
    blurred = fixations.fixation_predict(whole, rates, images, ordinal, rsc)["later"]
    assert np.median(patch.explained) > np.median(blurred.explained) + 0.3


def test_features_of_each_unit():
    features, rates, images, ordinal, rsc, _, _ = simulate()
    rng = np.random.default_rng(5)
    useless = rng.normal(size=features.shape)
    found = fixations.fixation_predict(
        lambda unit: features if unit < 3 else useless, rates, images, ordinal, rsc, alphas=[10.0]
    )["later"]
    together = fixations.fixation_predict(features, rates, images, ordinal, rsc, alphas=[10.0])["later"]
    np.testing.assert_allclose(found.pearson_r[:3], together.pearson_r[:3], atol=1e-10)
    assert (np.abs(found.pearson_r[3:]) < 0.12).all()


def test_duplicates_stay_together():
    rng = np.random.default_rng(0)
    images = np.repeat([f"i{k}" for k in range(60)], 4)
    rates = np.repeat(rng.normal(size=(30, 2)), 8, axis=0)  # images 2k and 2k + 1 are the same picture
    features = np.repeat(rng.normal(size=(30, 40)), 8, axis=0)
    rsc, ordinal = np.ones(2), np.ones(240, int)
    leak = fixations.fixation_predict(features, rates, images, ordinal, rsc)["later"]
    groups = {f"i{k}": k // 2 for k in range(60)}
    apart = fixations.fixation_predict(features, rates, images, ordinal, rsc, groups)["later"]
    assert (leak.pearson_r > 0.5).all()
    assert (apart.pearson_r < 0.4).all()


def test_normalisation_by_hand_and_unrepeatable_units():
    explained, published = fixations.normalise(np.array([0.3, -0.2, 0.6, 0.1]), np.array([0.25, 0.25, 0.25, 0.001]))
    np.testing.assert_allclose(explained, [0.36, -0.16, 1.44, np.nan])
    np.testing.assert_allclose(published, [1.0, 0.0, 1.0, np.nan])


def test_duplicates_stay_together_in_the_choice_of_penalties_too(monkeypatch):
    features, rates, images, ordinal, rsc, _, image = simulate(40)
    fits, fit = [], fixations.fit_predict

    def seen(X, Y, train, rest, alphas, inner):
        fits.append((train, rest, inner))
        return fit(X, Y, train, rest, alphas, inner)

    monkeypatch.setattr(fixations, "fit_predict", seen)
    fixations.fixation_predict(features, rates, images, ordinal, rsc, {f"i{k}": k // 2 for k in range(40)})
    assert len(fits) == 10
    for k, (train, rest, inner) in enumerate(fits):
        group = image[(ordinal > 0) == (k >= 5)] // 2
        assert not set(group[train]) & set(group[rest])
        assert all(len(set(inner[group[train] == one])) == 1 for one in set(group[train]))
        assert len(set(inner)) == 4


def test_the_training_mean_scores_nothing():
    features, rates, images, ordinal, rsc, _, _ = simulate(30)
    for part in fixations.fixation_predict(features, rates, images, ordinal, rsc, alphas=[1e30]).values():
        np.testing.assert_allclose(part.r2, 0, atol=1e-9)


def test_parts_on_too_few_images_are_left_out():
    features, rates, images, ordinal, rsc, _, image = simulate(20)
    assert set(fixations.fixation_predict(features, rates, images, np.where(image < 9, ordinal, 1), rsc)) == {"later"}


def test_bad_input():
    features, rates, images, ordinal, rsc, _, _ = simulate(20)
    with pytest.raises(DataError, match="give one row per fixation"):
        fixations.fixation_predict(features, rates, images[:-1], ordinal, rsc)
    with pytest.raises(DataError, match="features has 319 rows for 320 fixations"):
        fixations.fixation_predict(features[:-1], rates, images, ordinal, rsc)
    with pytest.raises(DataError, match=r"groups has no entry for image 'i1' \(19 missing\)"):
        fixations.fixation_predict(features, rates, images, ordinal, rsc, {"i0": 0})
    features[7, 2] = np.nan
    with pytest.raises(DataError, match=r"features\[7, 2\] = nan"):
        fixations.fixation_predict(features, rates, images, ordinal, rsc)
