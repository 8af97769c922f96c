"""The README: its Python runs, its commands and options exist, its files are there."""

import importlib.util
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
import xarray
import yaml

from analysis import params
from analysis.cli import app
from analysis.errors import DataError
from paper import blocks, draw, expected

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OTHERS = {"git", "docker", "podman", "sha256sum", "pip", "python3", ".venv/bin/pip", "curl", "cp", "cd", "mkdir", "."}
"""Programs that are not the project's own: only that they are named on purpose is checked."""

VARIABLE = re.compile(r"^[A-Z_]+=\S*$")


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Commands of the shell blocks, a line each, and those in backquotes within the text."""
    found = []
    for block in code_blocks("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            found += [part.strip() for part in re.sub(r"(^|\s)#.*", "", line).split("&&") if part.strip()]
    text = re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE)
    starts = ("python -m ", "nox", "dvc ", "git ", "docker ")
    return found + [code for code in re.findall(r"`([^`]+)`", text) if code.startswith(starts) and "..." not in code]


def fault(command: str) -> str | None:
    """Return what is wrong with a command: a stage, module, option or session that does not exist."""
    words = shlex.split(command)
    while words and (VARIABLE.match(words[0]) or words[0] == "sudo"):
        words = words[1:]
    program, *rest = words
    if program == "python" and rest[:2] == ["-m", "analysis"]:
        return _unknown_to_click(typer.main.get_command(app), rest[2:])
    if program == "python":
        is_module = rest[:1] == ["-m"] and importlib.util.find_spec(rest[1])
        return None if is_module or (ROOT / rest[0]).is_file() else f"no module or file {rest}"
    if program == "dvc":
        return _unknown_to_dvc(rest)
    if program in ("nox", ".venv/bin/nox"):
        sessions = re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
        return None if not rest or rest[1] in sessions else f"no session {rest[1]}"
    if program.startswith("container/"):
        return None if (ROOT / program).is_file() else f"no file {program}"
    return None if program in OTHERS else f"unknown program {program}"


def _unknown_to_click(command, words: list[str]) -> str | None:
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name, *words = words
        if name not in command.commands:
            # a group that is a command too takes arguments of its own
            return None if command.invoke_without_command and command.params else f"no command {name}"
        command = command.commands[name]
    options = {option for one in command.params for option in one.opts} | {"--help"}
    unknown = [word for word in words if word.startswith("--") and word.split("=")[0] not in options]
    return f"no option {unknown[0]}" if unknown else None


def _unknown_to_dvc(words: list[str]) -> str | None:
    from dvc.cli import DvcParserError, parse_args

    try:
        parse_args(words)
    except (DvcParserError, SystemExit) as error:
        return f"dvc does not take these words: {error}"
    return None


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_commands_exist(command):
    assert fault(command) is None


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python -m analysis tarin MODEL", "no command tarin"),
        ("python -m analysis inspect X --polt", "no option --polt"),
        ("python -m analysis store lsit", "no command lsit"),
        ("python -m benchmarks.none", "no module"),
        ("dvc metrics shwo", "dvc does not take"),
        ("nox -s verfiy", "no session verfiy"),
        ("wegt x", "unknown program"),
    ],
)
def test_the_check_finds_what_does_not_exist(command, words):
    assert words in fault(command)


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
