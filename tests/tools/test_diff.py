import json
import shutil
from math import inf
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analysis.cli import app
from analysis.core import environment
from analysis.core.errors import DataError
from analysis.tools import diff


@pytest.fixture
def copies(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """Two equal copies; the first is the working folder."""
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "results/compare").mkdir(parents=True)
    (here / "paper/figures").mkdir(parents=True)
    (here / "results/layers.csv").write_text("area,r2\nV1,0.5\nV4,0.25\n")
    (here / "results/compare/summary.json").write_text(json.dumps({"models": {"cnn": {"r2": 0.5, "n": [1, 2]}}}))
    (here / "results/environment.json").write_text(json.dumps({"cpu": "a", "image": {"base": None}}))
    (here / "paper/figures/a.svg").write_text("<svg/>")
    (here / "paper/report.pdf").write_bytes(b"%PDF")
    shutil.copytree(here, there)
    monkeypatch.chdir(here)
    return here, there


def test_equal_copies_agree(copies):
    comparison = diff.compare(*copies)
    assert comparison.lines() == ["4 of 4 files have the same bytes"]
    assert comparison.within(0)


def test_another_image_is_said_and_changes_nothing(copies):
    (copies[1] / "results/environment.json").write_text(json.dumps({"cpu": "a", "image": {"base": "sha256:1"}}))
    comparison = diff.compare(*copies)
    assert comparison.lines()[1:] == ["environment differs: image.base: None here, sha256:1 there"]
    assert comparison.within(0)


def test_a_changed_digit_is_measured_and_held_against_the_tolerance(copies):
    (copies[1] / "results/layers.csv").write_text("area,r2\nV1,0.5\nV4,0.250001\n")
    (copies[1] / "results/compare/summary.json").write_text(json.dumps({"models": {"cnn": {"r2": 0.5, "n": [1, 4]}}}))
    (copies[1] / "paper/report.pdf").write_bytes(b"%PDF other")
    comparison = diff.compare(*copies)
    assert comparison.changed == ["paper/report.pdf", "results/compare/summary.json", "results/layers.csv"]
    assert comparison.values == [
        "results/compare/summary.json, models.cnn.n: differs by 2 at most",
        "results/layers.csv, r2: differs by 1e-06 at most",
    ]
    assert not comparison.within(0)
    assert not comparison.within(1)
    assert comparison.within(2)


@pytest.mark.parametrize("table", ["area,r2\nV1,0.5\n", "area,r2\nV1,0.5\nV2,0.25\n", "area,r2\nV1,0.5\nV4,nan\n"])
def test_other_rows_or_words_are_beyond_any_tolerance(copies, table):
    (copies[1] / "results/layers.csv").write_text(table)
    comparison = diff.compare(*copies)
    assert comparison.largest == inf
    assert any("non-numeric difference" in line for line in comparison.values)
    assert not comparison.within(1e9)


def test_a_file_that_one_copy_lacks_is_named(copies):
    (copies[1] / "paper/figures/a.svg").unlink()
    comparison = diff.compare(*copies)
    assert comparison.missing == ["paper/figures/a.svg"]
    assert not comparison.within(1e9)


def test_a_copy_without_results_is_refused(copies, tmp_path):
    with pytest.raises(DataError, match="nowhere is no folder: give another copy"):
        diff.compare(copies[0], tmp_path / "nowhere")


def test_the_command_says_it_by_its_status(copies):
    assert CliRunner().invoke(app, ["diff", str(copies[1])]).exit_code == 0
    (copies[1] / "results/layers.csv").write_text("area,r2\nV1,0.5\nV4,0.250001\n")
    told = CliRunner().invoke(app, ["diff", str(copies[1])])
    assert told.exit_code == 1
    assert "differs by 1e-06 at most" in told.output
    assert CliRunner().invoke(app, ["diff", str(copies[1]), "--tolerance", "0.001"]).exit_code == 0


def test_the_environment_is_held_against_that_of_the_results(copies):
    (copies[0] / "results/environment.json").write_text(json.dumps(environment.stamp() | {"torch": "0.1"}))
    told = CliRunner().invoke(app, ["environment"]).output
    assert "computed in another environment" in told
    assert told.splitlines()[-1].startswith("torch: ")
    assert told.splitlines()[-1].endswith(", 0.1 there")
    (copies[0] / "results/environment.json").write_text(json.dumps(environment.stamp()))
    assert "computed in this environment" in CliRunner().invoke(app, ["environment"]).output
