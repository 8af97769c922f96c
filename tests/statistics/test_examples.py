"""The public interface is documented by examples that run."""

import doctest
import importlib
import pkgutil

import pytest

from analysis import statistics

MODULES = ["analysis.statistics"] + [
    module.name for module in pkgutil.walk_packages(statistics.__path__, "analysis.statistics.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize("name", statistics.__all__)
def test_every_public_name_has_an_example(name):
    assert doctest.DocTestParser().get_examples(getattr(statistics, name).__doc__)
