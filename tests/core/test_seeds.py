from analysis.core.seeds import seed_of


def test_seeds_are_of_the_task_and_not_of_its_turn():
    assert seed_of(1, "candidate", 3) == seed_of(1, "candidate", 3)
    assert len({seed_of(1, "candidate", number) for number in range(100)} | {seed_of(2, "candidate", 0)}) == 101
