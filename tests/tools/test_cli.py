"""The command line: groups, whole sentences, choices, and one line where an option is missing."""

import re

import pytest
from typer.testing import CliRunner

from analysis.cli import app
from analysis.core.errors import DataError
from analysis.params.protocol import PROTOCOLS
from analysis.run import RECORDED, STAGES
from analysis.tools.inspect import inspect
from tests.project import ROOT


def run(*words):
    return CliRunner().invoke(app, words)


def test_help_lists_the_stages_in_their_order_and_cuts_no_sentence():
    text = run("--help").output.partition("\n")[2]  # after "Usage: ... [ARGS]..."
    assert "..." not in text
    listed = re.findall(r"^  ([a-z][a-z-]+) +[A-Z]", text, re.M)
    stages = [name for name in STAGES if not name.startswith(RECORDED)]
    assert listed[: len(stages)] == stages
    assert {"inspect", "store", "crate", "diff"} <= set(listed)
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize("group", ["store", "audit"])
def test_help_of_a_group_cuts_no_sentence(group):
    assert "..." not in run(group, "--help").output.partition("\n")[2]


def test_version_is_that_of_the_project():
    shown = run("--version").output.split()
    assert f'version = "{shown[1]}"' in (ROOT / "pyproject.toml").read_text()


def test_protocols_are_choices():
    refused = run("inspect", "x", "--protocol", "none")
    assert refused.exit_code == 2
    assert all(name in refused.output for name in PROTOCOLS)
    assert all(name in run("inspect", "--help").output for name in PROTOCOLS)


def test_a_file_for_a_page_that_nobody_asked_for(tmp_path):
    with pytest.raises(DataError, match="--plot"):
        inspect("An220105", plot=False, out=tmp_path / "x.png")
