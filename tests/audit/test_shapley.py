from itertools import permutations
from math import factorial

import numpy as np
import pytest

from analysis.audit.protocol_steps import shapley
from analysis.audit.protocol_steps.choices import FIELDS, corrected, single_choices
from analysis.params.protocol import CORRECTED, REPORT

NAMES = ("a", "b", "c", "d")


def game(done: frozenset[int]) -> np.ndarray:
    """Two scores: `a` adds 1, `b` adds 2 once `c` is done, `d` adds nothing; and 3 for all four alone."""
    return np.array([1.0 * (0 in done) + 2.0 * ({1, 2} <= done), 3.0 * (len(done) == 4)])


def test_values_of_all_orders_are_those_of_the_formula():
    orders = np.array(list(permutations(range(4))))
    changes = np.stack([shapley.contributions(order, game) for order in orders])[None]
    table = shapley.shapley_values(changes, NAMES, ("first", "second"))
    assert table.value.tolist() == pytest.approx([1, 1, 1, 0, 0.75, 0.75, 0.75, 0.75])
    assert (table.orders == factorial(4)).all()


def test_sampled_values_add_up_to_the_difference_and_cover_the_exact_ones():
    changes = np.stack(
        [[shapley.contributions(order, game) for order in shapley.sample_orders(4, 6, seed)] for seed in range(40)]
    )
    table = shapley.shapley_values(changes, NAMES, ("first", "second"))
    assert table.groupby("score").value.sum().tolist() == pytest.approx([3, 3])
    exact = np.array([1, 1, 1, 0, 0.75, 0.75, 0.75, 0.75])
    assert (np.abs(table.value - exact) <= 4 * table.standard_error + 1e-12).all()
    first = table[table.score == "first"]
    assert first.value.tolist() == [1, 1, 1, 0]  # an order and its reverse cancel exactly
    second = table[table.score == "second"]
    assert (second.standard_error > 0).all()
    assert (second.low < second.value).all()
    by_hand = changes[:, :, 2, 1].mean(axis=1)
    assert second.standard_error.iloc[2] == pytest.approx(by_hand.std(ddof=1) / np.sqrt(40))


def test_an_order_with_an_undefined_score_is_left_out():
    changes = np.ones((3, 2, 4, 2))
    changes[1, 0, 2, 0] = np.nan
    changes[1, 1, :, 0] = 4
    changes[2, :, 0, 0] = np.nan  # a network without an order
    table = shapley.shapley_values(changes, NAMES, ("first", "second")).set_index(["score", "field"])
    assert table.value["first"].tolist() == [2.5] * 4  # of the networks that have one: 1 and 4
    assert table.orders["first"].tolist() == [3] * 4
    assert table.networks["first"].tolist() == [2] * 4
    assert table.value["second"].tolist() == [1] * 4
    assert table.orders["second"].tolist() == [6] * 4


def test_without_a_complete_order_all_values_are_undefined():
    table = shapley.shapley_values(np.full((2, 2, 4, 1), np.nan), NAMES, ("first",))
    assert table.value.isna().all()
    assert (table.orders == 0).all()


def test_every_second_order_is_the_reverse_of_the_one_before():
    orders = shapley.sample_orders(5, 6, seed=3)
    assert (np.sort(orders, axis=1) == np.arange(5)).all()
    assert (orders[1::2] == orders[::2, ::-1]).all()
    assert not np.array_equal(orders[0], orders[2])
    assert shapley.sample_orders(5, 3, seed=3).tolist() == orders[:3].tolist()


def changed_fields(before, after) -> list[str]:
    return [name for name in FIELDS if getattr(before, name) != getattr(after, name)]


def test_corrections_lead_from_one_protocol_to_the_other():
    assert corrected([]) == REPORT
    assert corrected(FIELDS) == CORRECTED
    assert changed_fields(REPORT, corrected(["join", "rdm"])) == ["join", "rdm"]


@pytest.mark.parametrize(("start", "protocol"), [("report", REPORT), ("corrected", CORRECTED)])
def test_single_choices_differ_from_their_start_in_one_field(start, protocol):
    steps = [step for step in single_choices() if step.start == start]
    assert steps[0].protocol == protocol
    assert [step.field for step in steps[1:]] == list(FIELDS)
    for step in steps[1:]:
        assert changed_fields(step.protocol, protocol) == [step.field]
