import json
from pathlib import Path

import pytest

from benchmarks import table
from paper import blocks

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_quotes_the_files_at_hand(monkeypatch):
    monkeypatch.chdir(ROOT)
    readme = blocks.README.read_text(encoding="utf-8")
    assert table.filled(readme) == readme, "python -m benchmarks.table fills it"


def test_ratios_are_of_the_times_in_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "FOLDER", tmp_path)
    spent = {"acquire, first": 2.0, "dandi download, first": 15.0, "acquire, all there": 0.5}
    spent["dandi download, all there"] = 100.0
    (tmp_path / "acquire.json").write_text(json.dumps({"files": 2000, "seconds": spent}))
    assert [row[2] for row in table.rows()] == ["7.5 x", "200 x"]


@pytest.mark.parametrize(("ratio", "said"), [(0.394, "0.39 x"), (1.44, "1.4 x"), (9.96, "10 x"), (905.2, "905 x")])
def test_a_ratio_has_two_digits(ratio, said):
    assert table.times(ratio) == said
