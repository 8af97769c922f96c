"""The example of ``docs/statistics.md``, run as it stands."""

import re

import numpy as np

from tests.project import ROOT

PAGE = ROOT / "docs/statistics.md"


def test_the_example_of_the_page_runs_and_says_what_it_should():
    page = PAGE.read_text(encoding="utf-8")
    names: dict = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1), names)
    assert (names["fit"].r2 > 0).mean() > 0.9
    assert names["fit"].predicted.shape == (2, 120, 10)
    assert names["lower"] < names["upper"] <= 1
    assert names["draws"].scores.shape == (1000, 1)
    assert np.isfinite(names["draws"].upper).all()
