import json

import pytest

from benchmarks import table
from paper import blocks
from tests.project import ROOT

RELIABILITY = [
    {
        "counts": "twice",
        "snr": snr,
        "truth": truth,
        "bias": {table.OURS: ours, "other": other},
        "perfect_model": perfect,
        "imperfect_model": perfect / 2,
    }
    for snr, truth, ours, other, perfect in [
        (0.1, 0.2, -0.013, 0.4, 0.5),
        (0.1, 0.3, 0.012, -0.2, 0.9),
        (1.0, 0.7, 0.004, 0.3, 1.03),
    ]
]


def test_the_pages_quote_the_files_at_hand(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert blocks.outdated(table.texts()) == [], "python -m benchmarks.table fills them"


def test_ratios_are_of_the_times_in_the_file(tmp_path):
    spent = {"acquire, first": 2.0, "dandi download, first": 15.0, "acquire, all there": 0.5}
    spent["dandi download, all there"] = 100.0
    (tmp_path / "acquire.json").write_text(json.dumps({"files": 2000, "seconds": spent}))
    assert [row[2] for row in table.rows(tmp_path)] == ["7.5 x", "200 x"]


def test_truths_are_the_extremes_of_the_files(tmp_path):
    calibration = {
        "runs": 600,
        "lead_over_upper_ceiling": {"spearman": 0.0, "rho-a with ties": -0.25, "raw pooling, spearman": 9},
        "uniform_ks_p": {"a": 0.5, "b": 0.02},
    }
    best = {"rho": -0.5, "low": -0.75, "high": 0.125}
    orders = {"net": {"best_layer": best}, "other": {"best_layer": dict.fromkeys(best)}}
    (tmp_path / "calibration.json").write_text(json.dumps(calibration))
    case = {"standard_error": 0.01, "runs": 500, "width": 0.2, "bias": None}
    coverage = {
        "a": case | {"coverage": 0.94, "false_alarms": 0.01},
        "b": case | {"coverage": 0.96, "false_alarms": None},
        "c": case | {"coverage": 0.95, "false_alarms": 0.06, "bias": -0.004},
    }
    (tmp_path / "coverage.json").write_text(json.dumps(coverage))
    (tmp_path / "layer_order.json").write_text(json.dumps(orders))
    (tmp_path / "reliability.json").write_text(json.dumps(RELIABILITY))
    found = ["94.0 to 96.0 %", "1.0 to 6.0 %", "0.02", "+0.000", "-0.250", "-0.013", "0.500 to 1.030"]
    found += ["-0.50 (-0.75 to +0.12)", "undefined"]
    assert [row[2].replace("\N{MINUS SIGN}", "-") for row in table.truths(tmp_path)] == found


def test_every_case_of_coverage_has_a_row(tmp_path):
    case = {"coverage": 0.952, "standard_error": 0.0095, "runs": 500, "width": 0.234, "false_alarms": 0.048}
    cases = {"median": case | {"bias": 0.0084}, "mean": case | {"false_alarms": None, "bias": None}}
    (tmp_path / "coverage.json").write_text(json.dumps(cases))
    shares = ["95.2 ± 0.9 %", "0.23"]
    assert list(table.coverages(tmp_path)) == [["median", *shares, "4.8 %", "+0.008"], ["mean", *shares, "", ""]]


def test_the_worst_bias_of_each_kind_of_counts(tmp_path):
    (tmp_path / "reliability.json").write_text(json.dumps(RELIABILITY))
    found = table.reliabilities(tmp_path)
    assert found["reliability"].replace("\N{MINUS SIGN}", "-").splitlines()[2:] == [
        "| twice | -0.013; 0.50 to 0.90 | +0.004; 1.03 to 1.03 |"
    ]
    assert found["reliability-imperfect"].splitlines()[2:] == ["| twice | 0.25 to 0.45 | 0.52 to 0.52 |"]
    assert "| other | +0.400 | 0.300 |" in found["reliability-rivals"]


def test_what_a_gpu_did_stands_beside_the_processor(tmp_path):
    images = {"splits": {"train": 1712}, "pixels": 112, "test_accuracy": 0.9, "gigabytes_of_device": 6.66}
    report = images | {"candidates": 200, "epochs": 5, "failed": 34, "accuracy_of_kept": [0.95, 0.875]}
    report["seconds"] = {"search": 73.55, "upper stages": 6.5}
    rounds = {"first": [{"loss": 0.1}, {"loss": 0.25}], "second": [{"loss": 0.3}]}
    hmo = images | {"candidates": 104, "seconds": 11.04, "rounds": rounds}
    beside = hmo | {"rounds": rounds | {"second": [{"loss": 0.2975}]}}
    (tmp_path / "gpu.json").write_text(json.dumps({"report": report, "hmo": hmo, "hmo on the processor": beside}))
    search, upper, modules = table.devices(tmp_path)
    assert search[1:] == ["74", "6.7", "accuracy of those kept 87.5 to 95.0 %; 34 candidates failed"]
    assert upper[1:] == ["6", "", "test accuracy 90.0 %"]
    assert modules[1] == "11"
    assert "processor: 90.0 %" in modules[3]
    assert "0.0025" in modules[3]


def test_a_peer_that_was_left_out_has_no_row(tmp_path):
    found = json.loads((ROOT / "benchmarks/models.json").read_text())
    (tmp_path / "models.json").write_text(json.dumps(found))
    assert any("Keras" in row[1] for row in table.rows(tmp_path))
    found["speed"]["ratio"] = {}
    del found["search"]["keras"]
    (tmp_path / "models.json").write_text(json.dumps(found))
    assert {row[1] for row in table.rows(tmp_path)} == {"as it is", table.FLOOR}


@pytest.mark.parametrize(("ratio", "said"), [(0.394, "0.39 x"), (1.44, "1.4 x"), (9.96, "10 x"), (905.2, "905 x")])
def test_a_ratio_has_two_digits(ratio, said):
    assert table.times(ratio) == said


def test_widths_have_their_range_over_subsets(tmp_path):
    one = {"recordings": 2, "units": 26.25, "subsets": 10, "width": 0.383, "least": 0.279, "most": 0.566}
    every = {"recordings": 10, "units": 128.0, "subsets": 1, "width": 0.194, "least": 0.194, "most": 0.194}
    (tmp_path / "widths.json").write_text(json.dumps([one, every]))
    assert list(table.widths(tmp_path)) == [["2", "26", "0.38 (0.28 to 0.57)"], ["10", "128", "0.19"]]
