import json

from analysis.summary import headline

SCORES = {"median_r2": 0.3, "ci_low": 0.2, "ci_high": 0.4, "median_ceiling": 0.7, "median_rho": 0.5}
MODEL = {"accuracy": 0.9, "balanced_accuracy": 0.8, "top_layer": "top"}


def test_metrics_are_of_the_top_layer_in_the_last_area(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    areas = {"AIT": {"low": SCORES | {"median_r2": 0.2}, "top": SCORES}, "V1": {"top": SCORES | {"median_r2": 0.1}}}
    headline.write({"old": MODEL | {"areas": {}}})
    headline.write({"net": MODEL | {"areas": areas}})
    assert [path.name for path in headline.FOLDER.iterdir()] == ["net.json"]
    assert json.loads((headline.FOLDER / "net.json").read_text()) == {
        "accuracy": 0.9,
        "balanced_accuracy": 0.8,
        "area": "AIT",
        "r2": 0.3,
        "r2_low": 0.2,
        "r2_high": 0.4,
        "ceiling": 0.7,
        "rho": 0.5,
    }


def test_a_model_that_was_not_compared_has_its_accuracy_alone():
    assert headline.select_metrics(MODEL | {"areas": {}}) == {"accuracy": 0.9, "balanced_accuracy": 0.8}
