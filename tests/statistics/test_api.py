"""The section of the README for visitors, run as it stands."""

import re

import numpy as np

from tests.project import ROOT

README = ROOT / "README.md"


def test_the_readme_example_runs_and_says_what_it_should():
    section = README.read_text(encoding="utf-8").split("## The comparison statistics by themselves")[1]
    names: dict = {}
    exec(re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1), names)
    assert (names["fit"].r2 > 0).mean() > 0.9
    assert names["fit"].predicted.shape == (2, 120, 10)
    assert names["lower"] < names["upper"] <= 1
    assert names["draws"].scores.shape == (1000, 1)
    assert np.isfinite(names["draws"].upper).all()
