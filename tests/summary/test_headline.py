import json

from analysis.summary import headline

ENDS = {"r_corrected_low": 0.2, "r_corrected_high": 0.4}
SCORES = ENDS | {"r_corrected": 0.3, "r2": 0.1, "ceiling": 0.7, "median_rho": 0.5}
MODEL = {"accuracy": 0.9, "balanced_accuracy": 0.8, "top_layer": "top"}


def test_metrics_are_of_the_top_layer_in_the_last_area(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    areas = {"AIT": {"low": SCORES | {"r_corrected": 0.2}, "top": SCORES}, "V1": {"top": SCORES | {"r_corrected": 0.1}}}
    headline.write({"old": MODEL | {"areas": {}}})
    headline.write({"net": MODEL | {"areas": areas}})
    assert [path.name for path in headline.FOLDER.iterdir()] == ["net.json"]
    assert json.loads((headline.FOLDER / "net.json").read_text()) == {
        "accuracy": 0.9,
        "balanced_accuracy": 0.8,
        "area": "AIT",
        "r_corrected": 0.3,
        "low": 0.2,
        "high": 0.4,
        "r2": 0.1,
        "ceiling": 0.7,
        "rho": 0.5,
    }


def test_a_model_that_was_not_compared_has_its_accuracy_alone():
    assert headline.select_metrics(MODEL | {"areas": {}}) == {"accuracy": 0.9, "balanced_accuracy": 0.8}
