"""DVC has a stage for each recorded data set that runs, and for each of its models; none where none runs."""

import shutil
import subprocess
import sys

import pytest
import yaml

from analysis.models.report_hmo.first_layer import IN_PROCESS
from tests import recorded_set
from tests.project import ROOT


@pytest.fixture
def stages(tmp_path, monkeypatch):
    """Return a function that lists DVC's stages for some data sets and models."""
    from dvc.repo import Repo

    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    shutil.copy(ROOT / "dvc.yaml", tmp_path / "dvc.yaml")
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)

    def listed(names: list[str], models: list[str]) -> dict[str, object]:
        values["recorded"] |= {"run": names, "models": models}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        with Repo.init(no_scm=True, force=True) as repo:
            return {stage.name: stage for stage in repo.index.stages if stage.name.startswith("recorded-")}

    return listed


def test_a_list_without_data_sets_has_no_stages(stages):
    assert stages([], ["pixels"]) == {}


def test_every_data_set_has_stages_of_its_own(stages):
    found = stages(["v4", "mine", "free_viewing"], ["pixels", "gabor"])
    each = ("acquire", "stimuli", "recordings", "neural", "audit", "summary", "report")
    of_model = ("train", "activations", "compare")
    assert {name for name in found if "v4" in name} == {
        *(f"recorded-{name}@v4" for name in each),
        *(f"recorded-{name}@v4-{model}" for name in of_model for model in ("pixels", "gabor")),
    }
    assert found["recorded-train@mine-gabor"].cmd == "python -m analysis --dataset mine train gabor"
    assert found["recorded-recordings@v4"].cmd == "python -m analysis --dataset v4 recordings corrected"
    for name, stage in found.items():
        dataset = name.partition("@")[2].partition("-")[0]
        read = [str(dep) for dep in stage.deps if str(dep).startswith("recorded")]
        assert all(path.startswith(f"recorded/{dataset}/") for path in [*read, *map(str, stage.outs)])


def test_a_stage_that_starts_processes_runs_in_the_folder_of_the_data_set(tmp_path, monkeypatch):
    """Processes find the code from there: the search of the report's HMO, with two workers, from the command line."""
    for name in ("analysis", "dvc.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    recorded_set.write_parameters(tmp_path, ["hmo_report"])
    values = yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))
    values["models"]["hmo_report"]["candidates"] = IN_PROCESS + 1
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    recorded_set.write(tmp_path / "recorded" / recorded_set.NAME / "data" / "raw")
    monkeypatch.setenv("NNN_WORKERS", "2")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    for words in (["stimuli"], ["train", "hmo_report"]):
        command = [sys.executable, "-m", "analysis", "--dataset", recorded_set.NAME, *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "recorded" / recorded_set.NAME / "models" / "hmo_report" / "model.safetensors").is_file()


def test_an_unknown_data_set_is_one_line_and_status_1():
    command = [sys.executable, "-m", "analysis", "--dataset", "v9", "train", "pixels"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    known = "free_viewing, kriegeskorte92, majaj_hong, v4, v4_objects"
    assert done.stderr == f"error: no recorded data set 'v9' in params.yaml (recorded.datasets); there are {known}\n"
