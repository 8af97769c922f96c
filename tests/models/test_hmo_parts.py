"""Shrinkage, stopping, several tasks and the range of C: each does what it says."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.models import data
from analysis.models.train import stage as train
from analysis.models.yamins_hmo import boosting, svm
from analysis.models.yamins_hmo import procedure as hmo
from analysis.models.yamins_hmo.screening import Screening
from tests.models.test_hmo import FOLDERS, MODEL, mislabel, trained

Y = np.array([1.0, 1.0, -1.0, -1.0])


def test_shrinkage_is_a_factor_on_the_exponent():
    weights, decision = np.full(4, 0.25), np.array([1.0, -1.0, -1.0, -1.0])  # e = 1/4, so exp(2 a) = 3
    for shrinkage in (1.0, 0.5, 0.1):
        new = boosting.reweighted(weights, Y, decision, shrinkage)
        assert new[1] / new[0] == pytest.approx(3**shrinkage)
        assert new.sum() == pytest.approx(1)


def test_tasks_are_weighted_one_by_one_and_their_errors_averaged():
    y = np.stack([Y, np.array([1.0, 0.0, -1.0, -1.0])])
    weights = boosting.balanced(y)
    np.testing.assert_allclose(weights, [[0.25] * 4, [0.5, 0, 0.25, 0.25]])
    decision = np.array([[1.0, -1.0, -1.0, -1.0], [1.0, 1.0, 1.0, -1.0]])
    assert boosting.weighted_error(weights, y, decision) == pytest.approx(0.25)  # an unlabelled image counts nothing
    new = boosting.reweighted(weights, y, decision, 0.5)
    for row in range(2):
        np.testing.assert_allclose(new[row], boosting.reweighted(weights[row], y[row], decision[row], 0.5))


def test_decisions_of_several_tasks_are_those_of_each_and_unlabelled_images_are_not_fitted():
    rng = np.random.default_rng(0)
    features, folds = torch.from_numpy(rng.normal(size=(40, 6))).float(), np.arange(40) % 4
    y = np.where(rng.normal(size=(2, 40)) + features[:, 0].numpy() > 0, 1.0, -1.0)
    y[0, :8] = 0
    weights = boosting.balanced(y)
    both = svm.out_of_fold(features, y, weights, folds, 3.0)
    for row in range(2):
        np.testing.assert_array_equal(both[row], svm.out_of_fold(features, y[row], weights[row], folds, 3.0))
    other = y[0].copy()
    other[:8] = 1
    np.testing.assert_array_equal(both[0], svm.out_of_fold(features, other, weights[0], folds, 3.0))


def test_a_category_with_too_few_groups_is_no_task():
    category = np.array(["face"] * 10 + ["none"] * 10 + ["pareidolia"] * 2)
    label = np.array([1] * 10 + [0] * 10 + [-1] * 2)
    found = Screening.of(label, np.arange(22), 5, 1.0, 0, category)
    assert list(found.categories) == ["face", "none"]
    np.testing.assert_array_equal(found.tasks[0], [1] * 10 + [-1] * 10 + [0] * 2)
    np.testing.assert_array_equal(found.categories["none"], np.where(category == "none", 1, -1))


def test_a_stage_ends_when_the_error_of_all_modules_no_longer_falls(project, tiny):
    """Against the same rounds without stopping, and the rule by hand."""
    mislabel()
    long = tiny[MODEL] | {"first": {"modules": 5, "candidates": 3}}
    whole, _ = trained(project(**{MODEL: long | {"patience": None}}))
    errors = [one["error_of_all"] for one in whole["notes"]["rounds"]["first"]]
    assert len(errors) == len(whole["architecture"]["first"]) == 5
    for patience in (1, 2):
        stop = next(n for n in range(1, 6) if n == 5 or n - errors.index(min(errors[: n + 1])) >= patience)
        expected = errors[: stop + 1]
        config, _ = trained(project(**{MODEL: long | {"patience": patience}}))
        kept = expected.index(min(expected)) + 1
        assert [one["error_of_all"] for one in config["notes"]["rounds"]["first"]] == expected
        assert config["architecture"]["first"] == whole["architecture"]["first"][:kept]
        said = json.loads((FOLDERS[0] / "metrics.json").read_text())["search"]["first"]
        assert said == {
            "modules": kept, "rounds": len(expected), "error_of_first": errors[0], "error_of_kept": errors[kept - 1],
        }  # fmt: skip
    assert kept < 5


def test_the_error_of_all_modules_is_that_of_equally_weighted_classes(project, monkeypatch):
    """It is read out as the finished network is, not with the weights of the round."""
    seen, real = [], hmo.search

    def watch(job, stage, screening):
        seen.append((screening, real(job, stage, screening)))
        return seen[-1][1]

    monkeypatch.setattr(hmo, "search", watch)
    mislabel()
    train.run(project(), MODEL)
    screening, chosen = seen[0]
    weights = boosting.balanced(screening.y)
    decision = screening.decisions(torch.cat([maps.flatten(1) for maps in chosen.maps], 1), weights)
    assert chosen.rounds[-1]["error_of_all"] == pytest.approx(boosting.weighted_error(weights, screening.y, decision))


def test_several_tasks_screen_annotated_images_without_a_label_too(project, tiny, monkeypatch):
    seen, real = [], hmo.search_round

    def watch(job, stage, screening, *rest):
        seen.append((stage, screening, real(job, stage, screening, *rest)))
        return seen[-1][2]

    table = pd.read_csv("data/stimuli/images.csv")
    odd = table["group"] % 4 == 0
    table.loc[odd, ["label", "category"]] = ["unlabelled", "pareidolia"]
    table.to_csv("data/stimuli/images.csv", index=False)
    monkeypatch.setattr(hmo, "search_round", watch)
    values = project(**{MODEL: tiny[MODEL] | {"tasks": "categories"}})
    config, _ = trained(values)
    examples = data.load(values.models.entry(MODEL).rules)
    stage, screening, tried = seen[0]
    assert len(stage.x) == (examples.split == "train").sum() > len(examples.rows("train"))
    assert list(screening.categories) == ["face", "none", "pareidolia"]
    maps = hmo.maps_of(
        hmo.Module(3, tried[0].values).draw(hmo.seed_of(values.seed, "hmo", "filters", "first", 0, 0)), stage.x, 4
    )
    weights = boosting.balanced(screening.tasks)
    wrong = np.sign(screening.decisions(maps, weights)) != np.sign(screening.tasks)
    by_task = (weights * wrong).sum(1)
    assert len(set(by_task.round(6))) > 1
    assert tried[0].told.loss == pytest.approx(by_task.mean(), abs=0.03)
    assert {"error_of_all", "error_of_tasks"} <= set(config["notes"]["rounds"]["first"][0])


def test_the_metrics_say_when_C_lies_at_the_edge_of_its_range(project, tiny, capsys):
    mislabel()
    found = {}
    for Cs in ([1e-6, 0.1, 1e4], [0.1, 1e4], [1.0]):
        train.run(project(**{MODEL: tiny[MODEL] | {"Cs": Cs}}), MODEL)
        found[len(Cs)] = json.loads((FOLDERS[0] / "metrics.json").read_text())["search"]
        edge = len(Cs) > 1 and found[len(Cs)]["C"] in (Cs[0], Cs[-1])
        assert found[len(Cs)]["C_at_edge"] == edge
        assert ("extend the range models.hmo.Cs" in capsys.readouterr().out) == edge
    assert found[2]["C_at_edge"]


def test_the_search_shrinks_the_weights_of_its_next_round(project, tiny, monkeypatch):
    seen, real = [], hmo.search_round

    def watch(job, stage, screening, name, weights, *rest):
        seen.append((stage, screening, weights))
        return real(job, stage, screening, name, weights, *rest)

    monkeypatch.setattr(hmo, "search_round", watch)
    mislabel()
    _, made = trained(project(**{MODEL: tiny[MODEL] | {"shrinkage": 0.25}}))
    stage, screening, weights = seen[0]
    decision = screening.decisions(hmo.maps_of(made.first[0], stage.x, 4), weights)
    np.testing.assert_allclose(seen[1][2], boosting.reweighted(weights, screening.tasks, decision, 0.25))
    assert not np.allclose(seen[1][2], boosting.reweighted(weights, screening.tasks, decision))
