import torch

from analysis.core.runtime import fixed_threads, seed_of


def test_threads_are_as_before_after_a_task_with_its_own_number():
    with fixed_threads(2):
        with fixed_threads(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2


def test_seeds_are_of_the_task_and_not_of_its_turn():
    assert seed_of(1, "candidate", 3) == seed_of(1, "candidate", 3)
    assert len({seed_of(1, "candidate", number) for number in range(100)} | {seed_of(2, "candidate", 0)}) == 101
