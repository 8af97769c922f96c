"""One population against layers: bounds and intervals of its geometry, and the rows that belong together."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.neural import read as neural
from analysis.neural import readout, scoring
from analysis.neural.populations import Population
from analysis.params import Compare
from analysis.params.protocol import CORRECTED, REPORT
from analysis.statistics import bootstrap_rsa, ceilings, compare_rdms, inference
from analysis.statistics.predictivity import decoding
from analysis.statistics.rsa.rdm import RDM, rdm

IMAGES = tuple(f"i{k:02d}" for k in range(24))
SETTINGS = SimpleNamespace(split_halves=7, bootstrap=80, folds=3, readout_draws=3)


def population(n_units=6, seed=0) -> Population:
    """Units that respond to features of the images, each shown four times; their showings can be split."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(24, n_units))
    image = np.repeat(np.arange(24), 4)
    rates = truth[image] + rng.normal(size=(96, n_units))
    shown = ceilings.Presentations(rates, np.array(IMAGES)[image], np.arange(96))
    names = tuple(f"u{k}" for k in range(n_units))
    return Population("Aa000001", "Aa", "AIT", names, names, IMAGES, shown.means(), shown)


@pytest.mark.parametrize(("rules", "rescale"), [(CORRECTED, scipy.stats.zscore), (REPORT, np.asarray)])
def test_bounds_of_a_geometry_by_hand(rules, rescale):
    one, rng, found = population(), np.random.default_rng(seed_of(5, "rdm halves")), []
    for _ in range(7):
        a, b = map(rescale, one.presentations.partitions(2, rng))
        found.append(compare_rdms(rdm(a), rdm(b), "rho-a"))
    r = np.mean(found)
    assert 0.2 < r < 0.8
    reliability = 2 * r / (1 + r)
    assert scoring.rdm_ceilings(one, rules, SETTINGS, 5) == pytest.approx((reliability, np.sqrt(reliability)))
    assert np.isnan(scoring.rdm_ceilings(replace(one, presentations=None), CORRECTED, SETTINGS, 5)).all()
    assert np.isnan(scoring.rdm_ceilings(population(2), CORRECTED, SETTINGS, 5)).all()  # two units give no geometry
    assert np.isnan(scoring.unit_ceilings(replace(one, presentations=None))).all()
    np.testing.assert_array_equal(scoring.unit_ceilings(one), one.presentations.reliability().ceiling)


def test_units_shown_few_images_have_no_ceiling_however_often():
    image, rates = np.repeat(np.arange(6), 9), np.random.default_rng(0).normal(size=(54, 6))
    shown = ceilings.Presentations(rates, image, np.arange(54))
    assert np.isnan(scoring.unit_ceilings(replace(population(), presentations=shown))).all()


def test_infinite_scores_count_in_the_median():
    assert scoring.median(np.array([0.2, np.inf, np.nan, 0.4])) == 0.4
    assert scoring.median(np.array([0.2, -np.inf, 0.4, np.inf])) == pytest.approx(0.3)
    assert np.isnan(scoring.median(np.array([np.inf, -np.inf, np.inf])))
    assert np.isnan(scoring.median(np.array([np.nan])))
    assert np.isnan(scoring.median([]))


def test_a_unit_with_high_rates_does_not_decide_the_geometry_of_standardised_units():
    one = population()
    loud = one.responses * np.array([50.0, 1, 1, 1, 1, 1]) + 400
    louder = replace(one, responses=loud)
    np.testing.assert_allclose(
        scoring.neural_rdm(louder, CORRECTED).distances, scoring.neural_rdm(one, CORRECTED).distances
    )
    raw = scoring.neural_rdm(louder, REPORT)
    np.testing.assert_array_equal(raw.distances, rdm(loud).distances)
    assert abs(compare_rdms(raw, scoring.neural_rdm(one, REPORT), "rho-a")) < 0.8
    holes = np.where(np.arange(24)[:, None] == 3, np.nan, np.column_stack([loud, np.full(24, 7.0)]))
    found = scoring.standardise(holes)
    np.testing.assert_allclose(found[:3, :6], scipy.stats.zscore(loud[np.arange(24) != 3])[:3])
    assert (found[:3, 6] == 0).all()
    assert np.isnan(found[3]).all()


def test_the_upper_bound_of_a_geometry_holds_for_unequal_repeats():
    """It is what the noise-free RDM reaches; halves of images shown 8 times say nothing of those shown once."""
    bounds, reached, naive = [], [], []
    counts = np.repeat([1, 8], 20)
    image, names = np.repeat(np.arange(40), counts), tuple(f"i{k:02d}" for k in range(40))
    for run in range(6):
        rng = np.random.default_rng(run)
        truth = rng.normal(size=(40, 5)) @ rng.normal(size=(5, 20)) / np.sqrt(5)
        rates = truth[image] + 1.5 * rng.normal(size=(len(image), 20))
        shown = ceilings.Presentations(rates, np.array(names)[image], np.arange(len(image)))
        units = tuple(f"u{k}" for k in range(20))
        one = Population("Aa000001", "Aa", "AIT", units, units, names, shown.means(), shown)
        lower, upper = scoring.rdm_ceilings(one, REPORT, SETTINGS, run)
        assert upper == np.sqrt(lower)
        bounds.append(upper)
        reached.append(compare_rdms(rdm(truth, images=names), scoring.neural_rdm(one, REPORT), "rho-a"))
        halves = [compare_rdms(*map(rdm, shown.partitions(2, rng)), "rho-a") for _ in range(4)]
        naive.append(np.sqrt(ceilings.step_up(np.mean(halves))))
    assert abs(np.mean(bounds) - np.mean(reached)) < 0.06
    assert np.mean(naive) > np.mean(reached) + 0.15


def test_a_layer_with_ties_gains_nothing_and_has_its_interval():
    near = scoring.neural_rdm(population(), CORRECTED)
    category = rdm(np.eye(3)[np.arange(24) % 3], "correlation", IMAGES)
    rho, low, high = scoring.score_rdms({"top": category}, near, SETTINGS, 2)["top"]
    assert rho == compare_rdms(category, near, "rho-a") != compare_rdms(category, near, "spearman")
    drawn = bootstrap_rsa([category], [near], "rho-a", 80, seed=seed_of(2, "images"), ceilings=False).scores[:, 0]
    assert (low, high) == inference.percentile_interval(drawn, n=24)  # stretched for the number of images


def test_images_that_one_layer_does_not_distinguish_stay_in_the_others():
    one = population()
    near, features = scoring.neural_rdm(one, CORRECTED), np.random.default_rng(1).normal(size=(24, 5))
    holed = features.copy()
    holed[3] = 1.0
    layers = {"whole": rdm(features, images=IMAGES), "holed": rdm(holed, images=IMAGES)}
    both = scoring.score_rdms(layers, near, SETTINGS, 2)
    for name, model in layers.items():
        assert scoring.score_rdms({name: model}, near, SETTINGS, 2)[name] == both[name]
        assert both[name][0] == compare_rdms(model, near, "rho-a")
    nothing = RDM(np.full(276, np.nan), "correlation", IMAGES)
    assert np.isnan(scoring.score_rdms({"none": nothing} | layers, near, SETTINGS, 2)["none"]).all()
    assert np.isnan(list(scoring.score_rdms(layers, nothing, SETTINGS, 2).values())).all()


def test_rows_of_activations_are_those_of_the_populations_images():
    one = population()
    stems = np.random.default_rng(0).permutation([*IMAGES, "other"]).tolist()
    assert [stems[row] for row in scoring.rows_of(one, stems)] == list(IMAGES)
    with pytest.raises(DataError, match="2 images of Aa000001 have no activations: run dvc repro"):
        scoring.rows_of(one, [stem for stem in stems if stem not in IMAGES[:2]])


def test_activations_that_are_not_finite_are_a_fault_not_too_few_images():
    one = population()
    features = {"top": np.random.default_rng(0).normal(size=(24, 9))}
    groups, settings = dict(zip(IMAGES, range(24), strict=True)), SimpleNamespace(folds=4, repeats=1)
    r2, _ = scoring.predictivity(one, features, groups, CORRECTED, settings, 0)["top"]
    assert np.isfinite(r2).all()
    by_pls = replace(CORRECTED, regression="pls")
    for rules, values in ((CORRECTED, {"folds": 25}), (by_pls, {"fixed_components": 20})):
        short = SimpleNamespace(**(vars(settings) | values))
        assert np.isnan(scoring.predictivity(one, features, groups, rules, short, 0)["top"][0]).all()
    features["top"][3, 2] = np.nan
    with pytest.raises(DataError, match=r"layer top\[3, 2\] = nan"):
        scoring.predictivity(one, features, groups, CORRECTED, settings, 0)


def images_of_the_task():
    """Table of the images, of which every second is a face by the authors' regions and the last are unlabelled."""
    label = np.array(["face", "non-face"] * 10 + ["unlabelled"] * 4)
    table = pd.DataFrame({"stem": IMAGES, "label": label, "group": np.arange(24) // 2})
    table["label_report"] = np.where(np.arange(24) < 12, "face", "non-face")
    levels = pd.DataFrame({"category": label}, index=list(IMAGES))
    return neural.Images(table.sample(frac=1, random_state=0), levels)


def test_a_model_is_read_out_at_the_number_and_reliability_of_the_units():
    one, ceiling = population(), np.array([0.2, 0.5, np.nan, 0.4, 0.3, 0.6])
    top = np.random.default_rng(3).normal(size=(24, 40))
    images = images_of_the_task()
    images.groups = dict(zip(IMAGES, range(24), strict=True))
    task = images.task(one, CORRECTED, SETTINGS)
    assert task.labels.tolist() == [1, 0] * 10 + [-1] * 4
    rows = readout.model_rows(one, top, task, ceiling, SETTINGS, 8)
    matched = [decoding.match_noise(top, ceiling[[0, 1, 3, 4, 5]], 6, seed_of(8, "match", draw)) for draw in range(3)]
    read = [decoding.decode(X, task.labels, folds=3, seed=seed_of(8, "decode")) for X in matched]
    whole = next(row for row in rows["decoding"] if row["level"] == "all")
    assert whole["score"] == pytest.approx(np.mean([one.balanced_accuracy for one in read]))
    assert (whole["n_images"], whole["n_units"], whole["system"]) == (20, 6, "model")
    unlabelled = next(row for row in rows["decoding"] if row["level"] == "unlabelled")
    assert unlabelled["score"] == pytest.approx(np.mean([one.positive_rate["unlabelled"] for one in read]))
    precision = np.mean([task.kernel(X, seed_of(8, "kernel")).precision for X in matched], axis=0)
    np.testing.assert_allclose([row["precision"] for row in rows["kernel"]], precision)
    assert {row["n_images"] for row in rows["kernel"]} == {20}
    nothing = {"decoding": [], "kernel": [], "learning": []}
    assert readout.model_rows(one, top, task, np.full(6, np.nan), SETTINGS, 8) == nothing
    reported = images.task(one, REPORT, SETTINGS)
    assert reported.labels.tolist() == [1] * 12 + [0] * 12


def test_near_duplicates_are_left_out_together_in_kernel_analysis():
    one = population()
    X = np.repeat(np.random.default_rng(0).normal(size=(12, 30)), 2, axis=0)  # images 2k and 2k + 1 are one picture
    images = images_of_the_task()
    images.table["label"] = ["face" if int(stem[1:]) // 2 % 2 else "non-face" for stem in images.table.index]
    by_group = images.task(one, CORRECTED, SETTINGS).kernel(X, 0)
    images.groups = dict(zip(IMAGES, range(24), strict=True))
    alone = images.task(one, CORRECTED, SETTINGS).kernel(X, 0)
    assert by_group.precision.max() < 0.3 < 0.5 < alone.precision.max()


def test_too_few_faces_are_not_read_out():
    one, images = population(), images_of_the_task()
    images.table["label"] = ["face" if stem < "i04" else "non-face" for stem in images.table.index]  # two groups
    task = images.task(one, CORRECTED, SETTINGS)
    assert not task.has_enough_groups()
    assert readout.population_rows(one, task, np.ones(6), 0) == {
        "decoding": [], "kernel": [], "learning": [],
    }  # fmt: skip


def test_the_settings_are_those_of_params():
    assert set(vars(SETTINGS)) <= set(Compare.model_fields)


PAIRS = {image: number // 2 for number, image in enumerate(IMAGES)}
FOLDS = SimpleNamespace(folds=4, repeats=2, splits=3, components=[0, 1], fixed_components=1)


@pytest.mark.parametrize("splits", ["folds", "single"])
@pytest.mark.parametrize("duplicates", ["together", "apart"])
def test_near_duplicates_are_kept_together_whether_images_are_split_once_or_in_folds(splits, duplicates):
    rules = replace(CORRECTED, splits=splits, duplicates=duplicates)
    plans = [scoring.plan_predictions(IMAGES, PAIRS, rules, FOLDS, seed) for seed in range(5)]
    folds = np.concatenate([plan.folds for plan in plans])
    assert folds.shape == ((15, 24) if splits == "single" else (10, 24))
    assert (np.sum(folds == 0, axis=1) == 6).all()  # a quarter of the images, tested once or in the first of four folds
    assert set(np.unique(folds)) == ({-1, 0} if splits == "single" else {0, 1, 2, 3})
    inner = np.concatenate([plan.inner for plan in plans])
    assert (inner >= 0).all()
    for assigned in (folds, inner):
        assert (assigned[:, ::2] == assigned[:, 1::2]).all() == (duplicates == "together")
    assert len(np.unique(folds, axis=0)) > len(folds) / 2
