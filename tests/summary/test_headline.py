import json
import subprocess

import yaml

from analysis.summary import headline
from tests.project import ROOT

MODEL = {"accuracy": 0.91234567, "balanced_accuracy": 0.8, "top_layer": "top"}


def test_metrics_are_of_the_top_layer_in_the_last_area(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    areas = {
        "AIT": {"low": {"r_corrected": 0.2}, "top": {"r_corrected": 0.33333}},
        "V1": {"top": {"r_corrected": 0.1}},
    }
    headline.write({"old": MODEL | {"areas": {}}})
    headline.write(
        {"net": MODEL | {"areas": areas}, "other": MODEL | {"areas": {"V4": {"top": {"r_corrected": None}}}}}
    )
    assert json.loads(headline.FILE.read_text()) == {
        "net": {"accuracy": 0.9123, "r_AIT": 0.3333},
        "other": {"accuracy": 0.9123},
    }


def test_a_model_that_was_not_compared_has_its_accuracy_alone():
    assert headline.select_metrics(MODEL | {"areas": {}}) == {"accuracy": 0.9123}


def test_git_keeps_the_metrics_that_dvc_compares():
    [metrics] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["summary"]["metrics"]
    assert metrics == {headline.FILE.as_posix(): {"cache": False}}
    ignored = ["git", "check-ignore", "--no-index", headline.FILE.as_posix()]
    assert subprocess.run(ignored, cwd=ROOT, capture_output=True, check=False).returncode == 1
    ignored[-1] = "results/summary.json"
    assert subprocess.run(ignored, cwd=ROOT, capture_output=True, check=False).returncode == 0
