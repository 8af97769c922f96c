import itertools

from benchmarks import stages

WORDS = """\
Running stage 'acquire':
> python -m analysis acquire
Running stage 'train@hmo':
candidates of hmo: 1 of 2 in 12 s
Running stage 'train@pixels':
Stage 'compare@hmo' didn't change, skipping
Running stage 'report':
Use `dvc push` to send your updates to remote storage.
nox > the paper is in paper/report.pdf
"""


def test_a_stage_lasts_until_the_next_and_a_matrix_is_summed():
    lines = WORDS.splitlines(keepends=True)
    at = {line: 60.0 * minute for minute, line in enumerate(lines)}
    current = {"line": None}

    def told():
        for line in lines:
            current["line"] = line
            yield line

    assert stages.minutes(told(), clock=lambda: at[current["line"]]) == {"acquire": 2, "train": 4, "report": 1}


def test_a_run_that_is_cut_ends_with_its_words():
    clock = itertools.count(0, 30)
    assert stages.minutes(["Running stage 'acquire':"], clock=lambda: next(clock)) == {"acquire": 0.5}


def test_words_without_a_stage_tell_nothing():
    assert stages.minutes(["Data and pipelines are up to date.\n"]) == {}
