"""Midranks against scipy's."""

import numpy as np
import pytest
from scipy.stats import rankdata

from analysis.statistics.midranks import midranks


@pytest.mark.parametrize("n", [0, 1, 2, 3, 50, 4005])
def test_midranks_are_scipys(n):
    rng = np.random.default_rng(n)
    for x in (rng.normal(size=n), rng.integers(4, size=n) - 1.5, np.ones(n), np.where(rng.random(n) < 0.5, 0.0, -0.0)):
        assert midranks(x).tobytes() == rankdata(x).tobytes()


def test_a_value_that_is_not_a_number_leaves_no_rank():
    x = np.array([2.0, np.nan, 1.0])
    np.testing.assert_array_equal(midranks(x), rankdata(x))
    assert np.isnan(midranks(x)).all()
