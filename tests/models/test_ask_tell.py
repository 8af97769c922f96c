import pytest

from analysis.models.yamins_hmo.ask_tell import Told, minimise

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
