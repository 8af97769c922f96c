"""What simulations with known truth say of the methods: kept tables, claims, figures and sentences."""

import json
import shutil
from pathlib import Path

import pytest

from analysis import params
from analysis.core.errors import DataError
from paper import build, draw
from paper.claims import truth
from paper.truth import tables
from tests.paper.prose import supplement_on_one_page, text_of
from tests.project import ROOT

KINDS = ("pixels", "Gabor energy", "category observer", "trained networks")


def cell(winner: str, share: float, second: str | None = None) -> dict:
    """Return what a benchmark writes of a case in which one kind wins this share, and another the rest."""
    winners = dict.fromkeys([*KINDS, truth.NONE], 0.0) | {winner: share}
    winners[second or truth.NONE] += 1 - share
    return {"runs": 40, "winners": winners, "scores": dict.fromkeys(KINDS, 0.1)}


def recovered(right: float, wrong: str | None = None) -> dict:
    """Return a table in which the planted kind wins the share `right` and, if given, another kind all other runs."""
    matrix = {
        f"{world}, 120 images, 12 units, 1 recordings, {area}": cell(
            truth.PLANTED.get((world, area), "trained networks"), right, wrong
        )
        for world in ("label", "graded", "gabor", "pixels", "none")
        for area in ("V1", "V4", "AIT")
    }
    sizes = {(30, 12, 1): 0.2, (120, 12, 3): 0.95, (120, 12, 1): 0.6}
    power = {
        f"graded, {images} images, {units} units, {recordings} recordings, AIT": cell("trained networks", share)
        for (images, units, recordings), share in sizes.items()
    }
    return {"matrix": matrix, "power": power}


@pytest.fixture
def kept(project) -> Path:
    """A project with the kept tables of the repository, and one of recovery."""
    for path in (ROOT / "paper/truth").glob("*.json"):
        shutil.copy(path, "paper/truth")
    Path("paper/truth/recovery.json").write_text(json.dumps(recovered(0.8)))
    return project


@pytest.mark.parametrize("name", tables.NAMES)
def test_kept_tables_are_those_of_the_benchmarks(name):
    written, kept = (ROOT / folder / f"{name}.json" for folder in ("benchmarks", "paper/truth"))
    assert kept.exists() == written.exists(), "python -m paper.truth keeps it"
    assert not kept.exists() or kept.read_bytes() == written.read_bytes(), "python -m paper.truth keeps the new one"


def test_tables_are_copied_and_damage_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="benchmarks holds none of coverage"):
        tables.keep()
    Path("benchmarks").mkdir()
    Path("benchmarks/recovery.json").write_text("{}\n")
    assert tables.keep() == [Path("paper/truth/recovery.json")]
    assert tables.read("recovery") == {}
    assert tables.read("coverage") is None
    Path("paper/truth/recovery.json").write_text("{")
    with pytest.raises(DataError, match=r"paper/truth/recovery\.json is not JSON"):
        tables.read("recovery")


def test_coverage_and_false_alarms_are_those_of_the_worst_cases():
    case = {"coverage": 0.94, "runs": 500, "false_alarms": 0.03}
    cases = {"a": case, "b": case | {"coverage": 0.97, "runs": 200, "false_alarms": None}}
    said = truth.coverage(cases)
    assert said["coverage"] == {"least": 0.94, "most": 0.97}
    assert (said["cases"], said["contrasts"], said["runs"]) == (2, 1, {"least": 200, "most": 500})


def test_the_bias_of_ceilings_is_the_largest_of_either_sign():
    case = {"truth": 0.5, "perfect_model": 0.99, "bias": {truth.OURS: -0.02, "halves": 0.01, "naive": 0.3}}
    low = case | {"truth": 0.1, "perfect_model": 0.5, "bias": {truth.OURS: 0.01, "halves": -0.05, "naive": 0.0}}
    said = truth.ceilings([case, low])
    assert (said["bias"], said["rival"], said["rival_bias"]) == (-0.02, "halves", -0.05)
    assert said["perfect"] == {"least": 0.5, "most": 0.99}


@pytest.mark.parametrize(
    ("right", "wrong", "found", "most_wrong"), [(0.8, None, 12, 0.0), (0.5, None, 3, 0.0), (0.3, "pixels", 3, 0.7)]
)
def test_recovery_counts_where_the_planted_kind_wins(right, wrong, found, most_wrong):
    said = truth.recovery(recovered(right, wrong))
    # the other winner, pixels or none, wins all runs of its own world
    assert (said["found"], said["planted"], said["worlds"]) == (found, 12, 5)
    assert said["least"] == pytest.approx(right)
    assert said["wrong"] == pytest.approx(most_wrong)
    assert said["late"][0]["most"] == ("pixels" if wrong else "trained networks")
    assert (said["smallest"]["images"], said["largest"]["recordings"]) == (30, 3)


def test_a_case_without_winners_has_no_kind_that_wins_most():
    table = recovered(0.8)
    table["matrix"]["graded, 120 images, 12 units, 1 recordings, AIT"] = cell(truth.NONE, 1.0)
    assert truth.recovery(table)["late"][0]["most"] is None


def test_the_planted_kinds_carry_four_fifths_of_the_planted_variance():
    from analysis.simulate.responses.worlds import FACE, LUMINANCE, UNRELATED, WORLDS

    kinds = {"V1": "Gabor energy", FACE: "category observer", LUMINANCE: "pixels", UNRELATED: truth.NONE}
    for world, weights in WORLDS.items():
        for area in ("V1", "V4", "AIT"):
            squares = {source: by_area[area] ** 2 for source, by_area in weights.items()}
            carried = {
                kinds[source]
                for source, one in squares.items()
                if source in kinds and one > 0.8 * sum(squares.values())
            }
            assert {truth.PLANTED.get((world, area))} - {None} == carried, (world, area)


def test_the_supplement_shows_and_tells_what_was_recovered(kept):
    draw.run(params.load())
    drawn = {path.stem for path in Path("paper/figures").glob("*.svg")}
    assert {"coverage", "recovery"} <= drawn
    text = supplement_on_one_page()
    assert "In 12 of the 12 combinations of world and area" in text
    assert "the lowest share is 80.0" in text
    assert "AIT has a winner in 80.0 % of experiments, most often trained networks" in text
    assert "in the smallest design (30 images, 12 units, 1 recording) and 95.0" in text
    cases = json.loads((ROOT / "paper/truth/coverage.json").read_text()).values()
    least, most = (f"{100 * end(case['coverage'] for case in cases):.1f}" for end in (min, max))
    assert f"The intervals cover the truth in {least}" in text
    assert "says so in more than half of the experiments in 12 of 12 cases" in text_of(Path("paper/report.pdf"))
    alternative = json.loads(Path("paper/figures/alt.json").read_text())
    assert "pixels: pixels 0.80" in alternative["recovery"]
    assert f"Coverage in 33 cases: {least}% to {most}%" in alternative["coverage"]


def test_without_kept_tables_neither_is_shown(project):
    build.run(params.load())
    text = supplement_on_one_page()
    assert "Model recovery" not in text
    assert "Calibration of the statistics" not in text
    assert "What the methods recover" in text  # its ceilings, of the experiment itself
