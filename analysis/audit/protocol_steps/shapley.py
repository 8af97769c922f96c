"""The contribution of each choice to the difference between the two protocols: its Shapley value.

The effect of a choice depends on the others: correcting the join changes little while the test images are few, and few
test images matter little while the join is wrong. The Shapley value (Shapley 1953) is the mean effect of correcting a
choice over all orders in which the choices can be corrected one after another; the values of all choices add up to the
difference between the protocols. Orders are sampled (Castro, Gomez & Tejada 2009, doi:10.1016/j.cor.2008.04.004), each
with its reverse.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from analysis.statistics.inference import student_interval

COLUMNS = ["score", "field", "value", "standard_error", "low", "high", "networks", "orders"]


def sample_orders(n_fields: int, n_orders: int, seed: int) -> np.ndarray:
    """Return random orders of the fields, (n_orders, n_fields) int; every second one reverses the one before it."""
    rng = np.random.default_rng(seed)
    forward = [rng.permutation(n_fields) for _ in range((n_orders + 1) // 2)]
    return np.stack([order for one in forward for order in (one, one[::-1])])[:n_orders]


def contributions(order: np.ndarray, score: Callable[[frozenset[int]], np.ndarray]) -> np.ndarray:
    """Return the change in the scores due to each field if fields are corrected in this order, (n_fields, n_scores).

    Parameters
    ----------
    order : (n_fields,) int
    score : function
        Scores, (n_scores,), of the protocol in which a set of fields is corrected.
    """
    found, done = [], frozenset()
    before = score(done)
    for field in order.tolist():
        done = done | {field}
        after = score(done)
        found.append(after - before)
        before = after
    return np.stack(found)[np.argsort(order)]


def shapley_values(changes: np.ndarray, fields: Sequence[str], scores: Sequence[str]) -> pd.DataFrame:
    """Return the Shapley value of every field for every score.

    Parameters
    ----------
    changes : (n_networks, n_orders, n_fields, n_scores) array
        `contributions` in the orders sampled for each network; NaN where a score is undefined.
    fields, scores : sequence of str

    Returns
    -------
    DataFrame
        `COLUMNS`: value (mean over networks and orders), and its standard_error and 95 % interval (Student) over
        networks, each with its own orders and splits. Orders in which a protocol has no score are left out for that
        score; ``orders`` counts those used, over all networks, and ``networks`` the networks with at least one.
    """
    rows = []
    for k, score in enumerate(scores):
        complete = np.isfinite(changes[..., k]).all(axis=2)  # (n_networks, n_orders)
        used = complete.any(axis=1)
        by_network = [one[kept, :, k].mean(axis=0) for one, kept in zip(changes[used], complete[used], strict=True)]
        for j, name in enumerate(fields):
            values = np.array([of_fields[j] for of_fields in by_network])
            interval = student_interval(values)
            error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
            counts = used.sum(), complete.sum()
            rows.append([score, name, interval.estimate, error, interval.low, interval.high, *counts])
    return pd.DataFrame(rows, columns=COLUMNS)
