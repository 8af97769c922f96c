"""The sandbox of ``nox -s faults`` finds a case that does not hold, for the right reason."""

import os

import pytest

from tests.faults import sandbox
from tests.faults.case import Case, write
from tests.faults.cases import collect


@pytest.fixture
def experiment(tmp_path):
    (tmp_path / "made" / "data").mkdir(parents=True)
    (tmp_path / "made" / "data" / "x.txt").write_text("x")
    (tmp_path / "made" / "params.yaml").write_text("seed: 1\n")
    return tmp_path / "made"


def shell(command, **values):
    return Case(**{"name": "x", "command": f"$ {command}", "says": "^error: no$", "intact": ("data",)} | values)


def test_a_case_that_holds(experiment):
    assert sandbox.complaints(shell("echo error: no >&2; exit 1"), experiment) == []


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("echo error: no >&2", "exit status 0, not 1"),
        ("echo error: yes >&2; exit 1", "does not say '^error: no$'"),
        ("echo error: no >&2; echo y > data/x.txt; exit 1", "changed data/x.txt"),
        ("echo error: no >&2; rm data/x.txt; exit 1", "changed data/x.txt"),
        ("echo error: no >&2; touch data/.x.1.part; exit 1", "left data/.x.1.part"),
    ],
)
def test_what_a_command_must_not_do(experiment, command, complaint):
    assert sandbox.complaints(shell(command), experiment)[0] == complaint
    assert (experiment / "data" / "x.txt").read_text() == "x"


def test_tracebacks_and_long_messages(experiment):
    case = shell("printf 'Traceback\\n2\\n3\\nerror: no' >&2; exit 1", says="error: no")
    assert sandbox.complaints(case, experiment)[:2] == ["a traceback", "4 lines on standard error"]


def test_a_fault_reaches_the_copy_alone(experiment):
    case = shell("cat data/x.txt >&2; exit 1", fault=write("data/x.txt", "error: no\n"))
    assert sandbox.complaints(case, experiment) == []
    assert (experiment / "data" / "x.txt").read_text() == "x"


def test_a_fork_ends_as_a_program_would():
    def wrong():
        raise ValueError("so")

    status, stderr = sandbox._forked(wrong)
    assert status == 1
    assert stderr.endswith("ValueError: so\n")
    assert sandbox._forked(lambda: os.kill(os.getpid(), 9))[0] == -9
    assert sandbox._forked(lambda: exit(3))[0] == 3


def test_inputs_of_a_stage_are_those_of_the_pipeline():
    assert sandbox._inputs(Case("x", "train pixels", "")) == ["data/stimuli"]
    assert "data/activations/pixels" in sandbox._inputs(Case("x", "compare pixels", ""))
    assert sandbox._inputs(Case("x", "inspect x", "")) == []


def test_names_are_unique():
    assert len(collect()) >= 3
