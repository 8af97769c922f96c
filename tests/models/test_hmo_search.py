"""The search space of HMO and the search itself: batches, interruptions, failures."""

import optuna
import pytest

from analysis.models.yamins_hmo import space as hmo_space
from analysis.models.yamins_hmo.ask_tell import Told, minimise
from analysis.params import load
from tests.project import ROOT

RANGES = {
    "k_filt": (3, 9, False),
    "fmean": (-0.2, 0.2, False),
    "fnorm": (0.8, 1.2, False),
    "min_out": (-0.3, 0.2, False),
    "max_out": (0.8, 1.3, False),
    "pool_k": (2, 9, False),
    "pool_p": (1, 50, True),
    "norm_k": (3, 9, False),
    "stretch": (0.03, 30, True),
    "threshold": (0.03, 30, True),
}
"""Least, most, and whether on a log scale, of the parameters of every layer."""
N_FILT = [(16, 32), (16, 48), (48, 96)]
"""In steps of four, on a log scale, of the three layers."""


@pytest.fixture(scope="module")
def asked():
    """Return the default entry, 200 random modules and every distribution that one of them asked for."""
    entry = load(ROOT / "params.yaml").models.entry("hmo")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    modules, distributions = [], {}
    for _ in range(200):
        trial = study.ask()
        modules.append(hmo_space.module(trial, entry.n_filt, entry.k_filt))
        distributions |= trial.distributions
    return modules, distributions


def test_the_default_searches_the_published_ranges(asked):
    _, distributions = asked
    found = {name: (one.low, one.high, one.log) for name, one in distributions.items() if hasattr(one, "low")}
    expected = {"depth": (1, 3, False), "in_norm_k": (3, 9, False)}
    for number, (least, most) in enumerate(N_FILT):
        expected[f"L{number + 1}.fours"] = (least // 4, most // 4, True)
        expected |= {f"L{number + 1}.{name}": range_ for name, range_ in RANGES.items()}
    assert found == expected


def test_modules_hold_what_was_asked(asked):
    modules, _ = asked
    assert {len(one["layers"]) for one in modules} == {1, 2, 3}
    for module in modules:
        for layer, (least, most) in zip(module["layers"], N_FILT, strict=False):
            assert least <= layer["n_filt"] <= most
            assert layer["n_filt"] % 4 == 0
            assert layer.keys() == {*RANGES, "n_filt", "remove_mean"}
    layers = [layer for module in modules for layer in module["layers"]]
    for name in ("min_out", "max_out", "threshold"):  # none at about every second layer
        assert 0.4 < sum(layer[name] is None for layer in layers) / len(layers) < 0.6
    assert {layer["remove_mean"] for layer in layers} == {True, False}


SETTINGS = {"candidates": 10, "batch": 3, "sampler": "tpe", "seed": 4}


def space(trial):
    values = {"x": trial.suggest_float("x", -2, 2)}
    if trial.suggest_categorical("two", [True, False]):
        values["y"] = trial.suggest_float("y", -2, 2)
    return values


def loss(values):
    return (values["x"] - 1) ** 2 + (values.get("y", 0) + 1) ** 2


def evaluate(asked):
    return [Told(loss(values), notes={"twice": 2 * number}) for number, values in asked]


def test_candidates_are_asked_for_in_batches_and_told_in_order():
    seen = []

    def watch(asked):
        seen.append([number for number, _ in asked])
        return evaluate(asked)

    tried = minimise(space, watch, **SETTINGS)
    assert seen == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert [one.number for one in tried] == list(range(10))
    assert all(one.told.loss == loss(one.values) for one in tried)
    assert tried == minimise(space, evaluate, **SETTINGS)
    assert tried != minimise(space, evaluate, **SETTINGS | {"seed": 5})


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_no_batch_asks_what_another_asked(sampler):
    tried = minimise(space, evaluate, **SETTINGS | {"sampler": sampler})
    assert len({one.values["x"] for one in tried}) == len(tried)


def test_tpe_finds_better_values_than_random_search():
    def least(sampler, seed):
        tried = minimise(space, evaluate, **SETTINGS | {"candidates": 40, "sampler": sampler, "seed": seed})
        return min(one.told.loss for one in tried)

    losses = {sampler: [least(sampler, seed) for seed in range(5)] for sampler in ("tpe", "random")}
    assert sum(losses["tpe"]) < sum(losses["random"]) / 2


def test_a_quarter_of_the_candidates_is_drawn_before_any_is_judged_by():
    def asked(sign):
        judge = lambda asked: [Told(sign * loss(values)) for _, values in asked]  # noqa: E731
        return [one.values for one in minimise(space, judge, candidates=20, batch=1, sampler="tpe", seed=4)]

    best, worst = asked(1), asked(-1)
    assert best[:5] == worst[:5]
    assert best[5:] != worst[5:]


@pytest.mark.parametrize("finished", [0, 2, 3, 7, 10])
def test_a_cut_search_goes_on_to_the_same_end(tmp_path, finished):
    """Cut within a batch or between two, its lock left behind and its last line half written."""
    undisturbed = minimise(space, evaluate, **SETTINGS)
    journal = tmp_path / "work" / "search.journal"
    minimise(space, evaluate, **SETTINGS, journal=journal)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[: 1 + finished]) + (lines[1 + finished][:50] if finished < 10 else b""))
    (tmp_path / "work" / "search.journal.lock").symlink_to("nothing")
    again = []

    def watch(asked):
        again.extend(number for number, _ in asked)
        return evaluate(asked)

    assert minimise(space, watch, **SETTINGS, journal=journal) == undisturbed
    assert again == list(range(finished, 10))
    assert journal.read_bytes().count(b'"op_code":4') == 10  # each candidate once


def test_a_failed_candidate_is_marked_and_the_search_goes_on(tmp_path):
    def broken(asked):
        return [Told(None, "out of memory") if number == 4 else Told(loss(values)) for number, values in asked]

    tried = minimise(space, broken, **SETTINGS, journal=tmp_path / "j")
    assert [one.number for one in tried if one.told.failed] == [4]
    assert tried[4].told == Told(None, "out of memory")
    assert minimise(space, broken, **SETTINGS, journal=tmp_path / "j") == tried
