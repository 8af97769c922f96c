"""Groups of params.yaml that do not agree are refused before any stage runs."""

import copy
from types import SimpleNamespace

import pytest
import yaml

from analysis import params, run
from analysis.core.errors import DataError
from analysis.params.across import disagreements
from analysis.params.loading import judge
from tests.project import ROOT

VALUES = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def changed(**values):
    tree = copy.deepcopy(VALUES)
    for key, value in values.items():
        *groups, last = key.split("__")
        branch = tree
        for group in groups:
            branch = branch[group]
        branch[last] = value
    return tree


@pytest.mark.parametrize("name", ["params.yaml", "tests/fixture/params.yaml"])
def test_committed_groups_agree(name):
    assert disagreements(params.load(ROOT / name)) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"models__run": ["pixels"]},
            "explain.models names hmo_report, simple_cnn: give models of models.run (p",
        ),
        ({"explain__models": ["gabor", "x"]}, "explain.models names x: give models of models.run (hmo_report,"),
        ({"candidates__model": "gabor"}, "candidates.model = 'gabor' is of kind gabor, not of kind hmo: give hmo"),
        ({"candidates__model": "x"}, "candidates.model = 'x' is not an entry under models: give hmo"),
        ({"candidates__report": "hmo"}, "not of kind report_hmo: give hmo_report or as_reported"),
        (
            {"candidates__ablation__hmo__top": 241},
            "candidates.ablation: top = 241 is not a multiple of second.modules",
        ),
        ({"candidates__ablation__report__kept": 9}, "candidates.ablation: kept = 9 is more than candidates = 8"),
        (
            {"candidates__ablation__report__epochs": [2, 1]},
            "candidates.ablation: epochs = [2, 1]: give increasing numbers",
        ),
        ({"models__run": VALUES["models"]["run"] * 2}, "models.run lists hmo_report, as_reported,"),
        ({"timing__models": ["gabor", "x"]}, "timing.models names x: give models of models.run (hmo_report,"),
        ({"timing__models": ["as_reported"]}, "timing.models names as_reported, of the report's protocol, whose"),
        ({"timing__models": ["hmo", "hmo"]}, "timing.models lists hmo twice"),
        ({"acquire__areas": ["V4", "V4"]}, "acquire.areas lists V4 twice"),
        ({"candidates__areas": ["AIT", "AIT"]}, "candidates.areas lists AIT twice"),
    ],
)
def test_what_does_not_agree(values, said):
    found, wrong = judge(changed(**values))
    assert wrong == []
    assert [line for line in disagreements(found) if said in line]


def test_all_is_said_at_once():
    found, _ = judge(changed(explain__models=["x"], candidates__model="gabor", acquire__areas=["V1", "V1"]))
    assert len(disagreements(found)) == 3


def test_every_stage_refuses_before_it_runs(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed(explain__models=["x"])), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run.importlib, "import_module", lambda name: SimpleNamespace(run=pytest.fail))
    for name, stage in run.STAGES.items():
        with pytest.raises(DataError, match=r"explain\.models names x"):
            run.run_stage(name, *(["pixels"] if stage.item else []))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 1\nseed: 2\n", "seed is given twice"),
        ("a: {b: 1, b: 2}\n", r"a\.b is given twice"),
        ("seed: &a [*a]\n", "recursive alias"),
        ("seed: " + "9" * 5000 + "\n", "is not YAML"),
        ("seed: 1\0\n", "is not YAML"),
        ("- 1\n", r"give the keys seed, acquire"),
        ("", r"give the keys seed, acquire"),
    ],
)
def test_files_that_no_parameters_can_be(tmp_path, text, said):
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said) as error:
        params.load(tmp_path / "params.yaml")
    assert "\n" not in str(error.value)


def test_a_merged_entry_may_state_a_value_again(tmp_path):
    (tmp_path / "params.yaml").write_text("a: &a {x: 1}\nb:\n  <<: *a\n  x: 2\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        params.load(tmp_path / "params.yaml")
    assert "twice" not in str(error.value)


def test_a_folder_in_place_of_the_file(tmp_path):
    (tmp_path / "params.yaml").mkdir()
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        params.load(tmp_path / "params.yaml")
