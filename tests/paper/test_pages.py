"""README and docs: their Python runs, their values are of results, their entry of params.yaml is valid."""

import re
from pathlib import Path
from unittest.mock import create_autospec

import numpy as np
import pandas as pd
import pytest
import xarray
import yaml

from analysis import params
from analysis.core.errors import DataError
from analysis.tools import predict
from paper import blocks, draw, expected, results
from tests.project import ROOT
from tests.readme.commands import PAGES, code_blocks


@pytest.fixture
def pages(project):
    """Return a project with results and with the pages of this one."""
    Path("docs").mkdir()
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        Path(path.relative_to(ROOT)).write_text(path.read_text())
    return project


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if code_blocks("python", text)])
def test_python_runs(page, fabricated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("results").symlink_to(fabricated)
    rate = xarray.DataArray(
        np.random.default_rng(0).normal(size=(24, 2)),
        dims=("fixation", "unit"),
        coords={"stimulus_id": ("fixation", list("abcdefgh") * 3), "trial": ("fixation", np.arange(24))},
    )
    rate.to_dataset(name="rate").to_netcdf("An220105.nc", engine="h5netcdf")
    monkeypatch.setattr(predict, "predict", create_autospec(predict.predict))  # tests/tools/test_predict.py predicts
    for code in code_blocks("python", PAGES[page]):
        exec(compile(code, page, "exec"), {})


def test_the_model_of_ones_own_is_valid(tmp_path):
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    entries = {}
    for block in code_blocks("yaml", PAGES["your-model"]):
        entries |= yaml.safe_load(block)
    assert list(entries) == ["mine", "face_identity"]
    values["models"] |= entries | {"run": [*values["models"]["run"], *entries]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    loaded = params.load(tmp_path / "params.yaml").models
    assert {loaded.entry(name).kind for name in entries} == {"own"}


def test_every_stage_is_in_the_table():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    recorded = [name for name in stages if name.startswith("recorded-")]
    others = [name for name in stages if name not in recorded]
    assert [name for name in others if f"| {name} | `python -m analysis {name}" not in PAGES["pipeline"]] == []
    row = r"\| {} \| `python -m analysis --dataset \w+ {}"
    page = PAGES["recorded-data"]
    assert [n for n in recorded if not re.search(row.format(n, n.removeprefix("recorded-")), page)] == []


def test_every_model_that_runs_is_an_artifact():
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    models = yaml.safe_load((ROOT / "params.yaml").read_text())["models"]["run"]
    paths = {artifact["path"]: artifact["type"] for artifact in pipeline["artifacts"].values()}
    assert paths == {f"models/{model}": "model" for model in models}


def test_answer_and_table_are_filled_from_the_results(pages):
    filled = ["README.md: answer", "docs/results.md: expected", "docs/results.md: recorded"]
    assert blocks.outdated(expected.texts()) == filled
    blocks.fill(expected.texts())
    assert blocks.outdated(expected.texts()) == []
    values = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", blocks.block("expected"), re.MULTILINE))
    assert set(values) == set(draw.plots_for(results.read()))
    assert re.findall(r"[\d.]+ %", values["predictivity"]) == ["85.0 %", "70.0 %"]
    layers = pd.read_csv("results/layers.csv").query("region == 'AIT'").set_index(["model", "layer"]).r2
    answer = blocks.block("answer")
    assert "85.0 %" in answer
    for model in ("hmo_report", "as_reported"):
        assert expected.number(layers[model, "top"]) in answer


def test_every_figure_has_a_value_to_expect():
    assert list(expected.EXPECTED) == list(draw.MAIN | draw.SUPPLEMENT)


@pytest.mark.parametrize("copies", [0, 2])
def test_a_block_that_stands_on_no_page_or_twice_is_named(copies, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text("# Title\n<!-- other: command -->\n<!-- /other -->\n")
    Path("docs").mkdir()
    for k in range(copies):
        Path(f"docs/{k}.md").write_text("<!-- answer: command -->\n<!-- /answer -->\n")
    with pytest.raises(DataError, match="answer"):
        blocks.fill({"answer": "forty-two"})


def test_a_block_is_filled_and_the_rest_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text("before\n<!-- answer: command -->\nold\n<!-- /answer -->\nafter\n")
    blocks.fill({"answer": "forty-two"})
    assert Path("README.md").read_text() == "before\n<!-- answer: command -->\nforty-two\n<!-- /answer -->\nafter\n"
