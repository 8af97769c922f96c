"""The ranges of the search, as published (Yamins et al. 2014 and their earlier public code)."""

import optuna
import pytest

from analysis.models.yamins_hmo import space as hmo_space
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
