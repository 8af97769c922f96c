"""The README: its Python runs, each command has a place where it runs (``tests/readme``), its values are of results."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray
import yaml

from analysis import params
from analysis.core.errors import DataError
from paper import blocks, draw, expected
from tests.readme import online, table
from tests.readme.commands import README, ROOT, code_blocks, commands

TABLES = table.HERE, online.ONLINE


@pytest.mark.parametrize("command", sorted({command.text for command in commands()}))
def test_every_command_runs_in_one_place_or_says_why_not(command):
    here, net = ([heading for heading, runs in one.items() if command in runs] for one in TABLES)
    of_pipeline = table.of_pipeline(command.replace("MODEL", table.MODEL))
    assert sum([bool(here), bool(net), of_pipeline, bool(table.elsewhere(command))]) == 1
    assert all((command, heading) in {(one.text, one.heading) for one in commands()} for heading in here + net)


def test_commands_of_blocks_run_where_they_stand():
    """In a block the order matters: a command that runs under another heading is not enough."""
    for one in commands():
        runs = any(one.text in found.get(one.heading, {}) for found in TABLES)
        assert not one.in_block or runs or table.elsewhere(one.text), one


def test_no_reason_is_left_over():
    texts = [command.text for command in commands()]
    assert [pattern for pattern in table.ELSEWHERE if not any(re.fullmatch(pattern, text) for text in texts)] == []


@pytest.mark.parametrize("command", sorted({one.text for one in commands() if table.elsewhere(one.text)}))
def test_what_does_not_run_here_exists(command):
    session, module = re.search(r"\bnox -s (\w+)", command), re.search(r"python -m (benchmarks\S+)", command)
    assert not session or f"def {session[1]}(session" in (ROOT / "noxfile.py").read_text()
    assert not module or importlib.util.find_spec(module[1])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```sh\nmake all && ls   # both\n```", ["make all", "ls"]),
        ("```sh\na \\\n    --b\n```", ["a --b"]),
        ("```python\nmake()\n```", []),
        (
            "see `dvc repro -f x`, `dvc.yaml`, `git`, `nox` and\n`A=1 nox -s lint`",
            ["dvc repro -f x", "nox", "A=1 nox -s lint"],
        ),
        ("| `python -m analysis train MODEL` |", ["python -m analysis train MODEL"]),
    ],
)
def test_commands_are_found(text, found):
    assert [command.text for command in commands(text)] == found


@pytest.mark.parametrize("code", code_blocks("python"))
def test_python_runs(code, fabricated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("results").symlink_to(fabricated)
    rate = xarray.DataArray(
        np.ones((4, 2)), dims=("fixation", "unit"), coords={"stimulus_id": ("fixation", list("abab"))}
    )
    rate.to_dataset(name="rate").to_netcdf("An220105.nc", engine="h5netcdf")
    exec(compile(code, "README.md", "exec"), {})


def test_the_model_of_ones_own_is_valid(tmp_path):
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    [entry] = (yaml.safe_load(block) for block in code_blocks("yaml"))
    values["models"] |= entry | {"run": [*values["models"]["run"], *entry]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    assert params.load(tmp_path / "params.yaml").models.entry("mine").kind == "own"


def test_every_stage_is_in_the_table():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert [name for name in stages if f"| {name} | `python -m analysis {name}" not in README] == []


def test_every_model_that_runs_is_an_artifact():
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    models = yaml.safe_load((ROOT / "params.yaml").read_text())["models"]["run"]
    paths = {one["path"]: one["type"] for one in pipeline["artifacts"].values()}
    assert paths == {f"models/{model}": "model" for model in models}


def test_answer_and_table_are_filled_from_the_results(project):
    readme = expected.filled(README)
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", blocks.block(readme, "expected"), re.MULTILINE)
    assert [name for name, _ in rows] == list(draw.PLOTS)
    assert dict(rows)["accuracy"] == "test images labelled rightly: HMO 85.0 %, pixels 70.0 %"
    layers = pd.read_csv("results/layers.csv").query("region == 'AIT'").set_index(["model", "layer"]).median_r2
    said = blocks.block(readme, "answer")
    assert "On simulated data HMO labels 85.0 % of the test images" in said
    assert f"median r² of {expected.number(layers['hmo_report', 'top'])} (" in said
    assert f"report's protocol the same network scores {expected.number(layers['as_reported', 'top'])}." in said
    assert expected.filled(readme) == readme


def test_every_figure_has_a_value_to_expect():
    plots = draw.PLOTS | draw.AUDIT_PLOTS | draw.CANDIDATE_PLOTS | draw.EXPLAIN_PLOTS
    assert sorted(expected.EXPECTED) == sorted(plots)


def test_a_readme_without_the_block_is_named():
    with pytest.raises(DataError, match="has 0 blocks <!-- answer"):
        blocks.filled("# Title", "answer", "forty-two")
