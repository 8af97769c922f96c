"""The public interface is documented by examples that run."""

import doctest
import importlib
import pkgutil
import re

import numpy as np
import pytest

from analysis import statistics
from tests.project import ROOT

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


def test_the_example_of_the_documentation_runs():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (example,) = (block for block in blocks if "from analysis.statistics import" in block)
    names: dict = {}
    exec(example, names)
    assert (names["fit"].r2 > 0).mean() > 0.9
    assert names["fit"].predicted.shape == (2, 120, 10)
    assert names["lower"] < names["upper"] <= 1
    assert names["draws"].scores.shape == (1000, 1)
    assert np.isfinite(names["draws"].upper).all()
