"""Face channels, their controls, and what a lesion costs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.explain.channels import channel_tables, face_channels, lesions
from analysis.explain.channels.face_channels import Layer
from analysis.models.network import Network
from analysis.neural.populations import Population
from analysis.statistics import compare_rdms
from analysis.statistics.crossval import pearson
from analysis.statistics.predictivity import pls
from analysis.statistics.rsa.rdm import rdm


def test_selectivity_is_that_of_the_neurons_and_controls_are_matched():
    rng = np.random.default_rng(0)
    face = np.arange(40) % 2 == 0
    response = rng.random((40, 30)) + np.linspace(0.2, 3, 30)
    response[face, :5] *= 4
    response[:, 29] = 0
    index = face_channels.selectivity(response, face, ~face)
    assert index[0] == pytest.approx((response[face, 0].mean() - response[~face, 0].mean()) / response[:, 0].mean() / 2)
    assert np.isnan(index[29])
    chosen = face_channels.most_selective(index, 5 / 29)
    assert set(chosen) == set(range(5))
    drawn = face_channels.matched_controls(chosen, response, 8, 3)
    assert drawn.shape == (8, 5)
    for one in drawn:
        assert len(set(one)) == 5
        assert not set(one) & {*chosen, 29}
    level = response.mean(axis=0)
    random_gap = np.abs(level[5:29].mean() - level[chosen].mean())
    assert np.abs(level[drawn].mean() - level[chosen].mean()) < random_gap / 2
    masks = face_channels.lesion_masks(drawn, 30)
    assert (masks.sum(axis=1) == 25).all()


def test_a_channels_rate_is_the_mean_of_its_positive_part(pictures):
    class Shifted(Network):
        def forward(self, x):
            return self.layers["maps"](x - 0.5).mean((2, 3))

    found = face_channels.record_layers(Shifted(("maps",)), pictures, 2)["maps"]
    maps = (pictures - 0.5).double()
    np.testing.assert_allclose(found.response, maps.clamp(min=0).mean((2, 3)), rtol=1e-5)
    np.testing.assert_allclose(found.features.mean(2), maps.mean((2, 3)), rtol=1e-4)  # as they are, negative or not


def test_channels_count_as_face_selective_by_the_criterion_for_neurons():
    rates = np.array([[6, 5.9, 0], [4, 4.1, 0]])  # of faces and of other images; the index is 0.2, 0.18 and undefined
    halves = channel_tables.Halves(
        np.array([1, 0]), np.ones(2, bool), np.arange(2), np.ones(2, bool), np.zeros(2, bool)
    )
    [row] = channel_tables.layer_rows({"top": Layer(rates, rates[:, :, None])}, halves, "trained")
    assert (row["n_channels"], row["n_active"], row["n_face"]) == (3, 2, 1)
    assert row["median_fsi"] == pytest.approx(0.19)


def test_silenced_channels_give_the_answers_of_a_network_without_them(watcher, pictures):
    masks = np.array([[1.0, 1, 1, 1], [0, 0, 0, 0], [0, 1, 1, 0]])
    found = lesions.predict_classes(watcher, "maps", pictures, masks)
    means = watcher.maps(pictures)["top"]
    expected = [watcher.head(means * torch.tensor(mask, dtype=torch.float32)).argmax(1).tolist() for mask in masks]
    assert found.tolist() == expected
    assert found[0].tolist() == [1, 1]
    assert found[1].tolist() == [0, 0]

    class Beside(type(watcher)):
        """It also reads the image again, so that copies of the activations do not fit."""

        def forward(self, x):
            return super().forward(x) + 0 * x.mean((1, 2, 3))[:, None]

    beside = Beside(slice(5, 17), slice(7, 19)).eval()
    assert lesions.predict_classes(beside, "maps", pictures, masks).tolist() == expected


@pytest.fixture
def population():
    rng = np.random.default_rng(6)
    features = rng.normal(size=(40, 10, 4))
    responses = features[:, :3].reshape(40, -1) @ rng.normal(size=(12, 5)) + 0.5 * rng.normal(size=(40, 5))
    names = tuple("abcde")
    return features, Population("R1", "M", "AIT", names, names, tuple(map(str, range(40))), responses, None)


def test_predictivity_under_masks_is_that_of_the_fitted_mapping(population):
    features, people = population
    train, test = np.arange(25), np.arange(25, 40)
    masks = np.ones((3, 10))
    masks[1, :3], masks[2, 5:8] = 0, 0
    found = lesions.predictivity(people, features, masks, train, test, 3)
    for mask, r in zip(masks, found, strict=True):
        X = np.concatenate([features[train], features[test] * mask[:, None]]).reshape(40, -1)
        direct = pls.fit_predict(X, people.responses, train, test, 3)
        np.testing.assert_allclose(r, pearson(people.responses[test], direct), atol=1e-6)
    assert found[1].mean() < 0.3 < 0.6 < found[2].mean()


def test_similarity_under_masks_is_spearmans_rho(population):
    features, people = population
    test = np.arange(20, 40)
    masks = np.ones((2, 10))
    masks[1, :3] = 0
    rho, draws = lesions.similarity(people, features, masks, test, 300, 1)
    neural = rdm(people.responses[test], "correlation")
    for mask, value in zip(masks, rho, strict=True):
        model = rdm((features[test] * mask[:, None]).reshape(20, -1), "correlation")
        assert value == pytest.approx(compare_rdms(model, neural, "spearman"))
    assert draws.shape == (300, 2)
    assert rho[0] > rho[1]
    assert (draws[:, 0] > draws[:, 1]).mean() > 0.95


def test_channels_are_chosen_on_one_half_and_tested_on_the_other(values):
    rng = np.random.default_rng(3)
    n = 60
    label = np.arange(n) % 2
    choose = np.arange(n) < 30
    halves = channel_tables.Halves(label, np.ones(n, bool), np.arange(n), choose, ~choose)
    response = rng.random((n, 40)) + 1
    response[choose & (label == 1), 7] *= 2  # selective on the choosing half alone
    response[~choose & (label == 1), 8] *= 2
    layer = Layer(response, response[:, :, None])
    found = channel_tables.choose_lesions(layer, halves, values, 0)
    assert [len(one.chosen) for one in found] == [4, 10]
    assert found[0].chosen[0] == 7
    assert 8 not in found[0].chosen[:1]
    assert found[0].masks.shape == (2 + values.lesion_draws, 40)
    assert found[0].masks[0].all()
    assert (np.flatnonzero(found[0].masks[1] == 0) == np.sort(found[0].chosen)).all()
    swapped = channel_tables.choose_lesions(layer, replace(halves, choose=~choose, test=choose), values, 0)
    assert swapped[0].chosen[0] == 8
    strong = response.copy()
    strong[label == 1, 20:24] *= 50  # no other channel is as active as these
    assert channel_tables.choose_lesions(Layer(strong, strong[:, :, None]), halves, values, 0) == []


def test_the_loss_is_exactly_zero_if_no_lesion_changes_anything():
    scores = np.repeat(np.random.default_rng(2).random((1, 200)), 12, axis=0)
    assert not channel_tables.lesion_loss(scores).any()
    scores[2:] += np.arange(10)[:, None] / 10
    np.testing.assert_allclose(channel_tables.lesion_loss(scores), 0.45)


def one_set(n_channels: int) -> list[channel_tables.LesionSets]:
    """The lesion of channel 0, with channel 1 as its control."""
    masks = np.ones((3, n_channels))
    masks[1, 0] = masks[2, 1] = 0
    return [channel_tables.LesionSets(0.1, np.array([0]), masks, (1.0, 1.0))]


def test_accuracy_is_that_of_unseen_images_of_the_other_half(watcher, pictures, values):
    bright, grey = pictures[:1], torch.full_like(pictures[:1], -1.0)  # called face and, without any evidence, non-face
    inputs = torch.cat([bright, grey, bright, grey, bright, grey])
    label = np.array([0, 1, 1, 0, 0, 1])  # the answers are right for the third and fourth image alone
    choose = np.array([True, True, False, False, False, False])
    halves = channel_tables.Halves(label, np.array([True] * 4 + [False] * 2), np.arange(6), choose, ~choose)
    [row] = channel_tables.accuracy_rows(watcher, inputs, "maps", one_set(4), halves, values, 0)
    assert (row["n"], row["intact"], row["face"], row["control"], row["loss"]) == (2, 1, 1, 1, 0)


def test_neurons_are_predicted_on_the_other_half(population, values, monkeypatch):
    features, people = population
    monkeypatch.setattr(channel_tables, "populations", lambda *_: [people])
    choose = np.arange(40) < 24
    halves = channel_tables.Halves(np.arange(40) % 2, np.ones(40, bool), np.arange(40), choose, ~choose)
    examples = SimpleNamespace(table=pd.DataFrame({"stem": people.images}))
    recorded, chosen = {"top": Layer(np.ones((40, 10)), features)}, {"top": one_set(10)}
    rows = channel_tables.neural_rows(recorded, chosen, halves, examples, SimpleNamespace(rules=None), values, 0)
    halved = np.flatnonzero(choose), np.flatnonzero(~choose)
    r = lesions.predictivity(people, features, chosen["top"][0].masks, *halved, values.components).mean(axis=1)
    rho, _ = lesions.similarity(people, features, chosen["top"][0].masks, halved[1], 20, 0)
    for row, (measure, scores) in zip(rows, (("predictivity", r), ("rho", rho)), strict=True):
        assert (row["measure"], row["region"]) == (measure, "AIT")
        assert [row["intact"], row["face"], row["control"]] == pytest.approx(scores)
        assert row["loss"] == pytest.approx(scores[2] - scores[1])
        assert row["ci_low"] < row["loss"] < row["ci_high"]
