"""A stage gets what dvc.yaml lists for it, and no result is recorded for code or parameters that changed meanwhile."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from analysis import params, run
from analysis.core import settings
from analysis.core.errors import DataError
from tests.project import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of what the stage ``stimuli`` depends on, to be edited."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "analysis", tmp_path / "analysis", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def stage(monkeypatch):
    """Return a function that makes another function the stage ``stimuli``."""

    def replace(function):
        monkeypatch.setitem(sys.modules, "replaced", SimpleNamespace(run=function))
        monkeypatch.setitem(run.STAGES, "stimuli", run.Stage("replaced"))

    return replace


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_stage_that_nothing_disturbs_runs(project, stage):
    seen = []
    stage(seen.append)
    run.run_stage("stimuli")
    assert seen[0].stimuli == params.load().stimuli


@pytest.mark.parametrize(
    ("path", "old", "new", "named"),
    [
        ("analysis/stimuli/images.py", "import", "import ", "analysis/stimuli/images.py"),
        ("analysis/core/seeds.py", "import", "import ", "analysis/core/seeds.py"),
        ("params.yaml", "seed: 628", "seed: 629", "params.yaml: seed"),
        ("params.yaml", "test: 0.25", "test: 0.3", "params.yaml: stimuli"),
    ],
)
def test_code_and_parameters_that_change_while_it_runs_end_it(project, stage, path, old, new, named):
    stage(lambda values: edit(project / path, old, new))
    with pytest.raises(DataError, match=f"{named} changed while stage stimuli ran"):
        run.run_stage("stimuli")


def test_new_and_deleted_code_files_count(project, stage):
    stage(lambda values: (project / "analysis/stimuli/new.py").write_text(""))
    with pytest.raises(DataError, match=r"stimuli/new\.py"):
        run.run_stage("stimuli")
    stage(lambda values: (project / "analysis/stimuli/new.py").unlink())
    with pytest.raises(DataError, match=r"stimuli/new\.py"):
        run.run_stage("stimuli")


@pytest.mark.parametrize(
    "change", [("params.yaml", "bootstrap: ", "bootstrap: 1"), ("analysis/cli.py", "import", "import ")]
)
def test_what_the_stage_does_not_depend_on_may_change(project, stage, change):
    path, old, new = change
    stage(lambda values: edit(project / path, old, new))
    run.run_stage("stimuli")


def test_a_stage_cannot_read_a_parameter_that_is_not_listed_for_it(project, stage):
    stage(lambda values: values.compare)
    with pytest.raises(DataError, match=r"compare is not among the parameters that dvc\.yaml lists"):
        run.run_stage("stimuli")


def test_single_keys_and_models_are_listed_alone():
    values = params.only(params.load(ROOT / "params.yaml"), ["compare.images", "models.gabor"])
    assert values.compare.images == "all"
    assert values.models.entry("gabor").kind == "gabor"
    for read in (lambda: values.seed, lambda: values.compare.folds, lambda: values.models.run):
        with pytest.raises(DataError):
            read()
    with pytest.raises(DataError, match="pixels"):
        values.models.entry("pixels")


@pytest.mark.parametrize("words", [["train"], ["stimuli", "pixels"], ["train", "--help"]])
def test_wrong_arguments_are_refused(words):
    with pytest.raises(DataError, match=f"stage {words[0]}"):
        run.run_stage(*words)


@pytest.fixture
def recorded_stage(monkeypatch):
    """Return a function that makes another function the stage ``acquire`` of recorded data sets."""

    def replace(function):
        monkeypatch.setitem(sys.modules, "replaced", SimpleNamespace(run=function))
        monkeypatch.setitem(run.STAGES, "recorded-acquire", run.Stage("replaced", named=True))

    return replace


def test_a_stage_of_a_data_set_runs_in_its_folder_with_its_entry(project, recorded_stage, monkeypatch):
    seen = []
    monkeypatch.setenv("NNN_STORE", "store")
    recorded_stage(lambda values, name: seen.append((Path.cwd(), name, values, settings.read().store)))
    run.run_stage("acquire", dataset="v4")
    folder, name, values, store = seen[0]
    assert folder == project / "recorded" / "v4"
    assert name == "v4"
    assert values.recorded.datasets.entry("v4").session == "210325"
    assert store == project / "store"
    assert Path.cwd() == project
    with pytest.raises(DataError, match="seed is not among the parameters"):
        _ = values.seed


def test_a_stage_of_a_data_set_ends_if_its_entry_changes(project, recorded_stage):
    recorded_stage(lambda values, name: edit(project / "params.yaml", '"210325"', '"190923"'))
    with pytest.raises(DataError, match=r"recorded\.datasets\.v4 changed while stage recorded-acquire ran"):
        run.run_stage("acquire", dataset="v4")


def test_unknown_data_sets_and_stages_that_data_sets_lack_are_refused(project):
    with pytest.raises(
        DataError, match=r"no recorded data set 'v5'.*; there are free_viewing, kriegeskorte92, majaj_hong, v4"
    ):
        run.run_stage("acquire", dataset="v5")
    with pytest.raises(DataError, match="no stage explain; they have acquire, stimuli"):
        run.run_stage("explain", dataset="v4")


def test_a_stage_that_runs_in_this_folder_is_refused_and_another_is_not(project, stage, monkeypatch):
    monkeypatch.setattr(run, "PATIENCE_S", 0)
    again = []

    def both(values):
        with pytest.raises(DataError, match=r"^stage stimuli is already running \(process \d+ on [^\n]*$"):
            run.run_stage("stimuli")
        monkeypatch.setitem(run.STAGES, "acquire", run.Stage("replaced_too"))
        monkeypatch.setitem(sys.modules, "replaced_too", SimpleNamespace(run=again.append))
        run.run_stage("acquire")

    stage(both)
    run.run_stage("stimuli")
    assert len(again) == 1
