import json

import numpy as np
import pandas as pd
import pytest

from analysis.audit.command import describe
from analysis.audit.table import blocks, control_table, rdms, response_table, table_audit
from analysis.audit.table.response_table import ResponseTable, read
from analysis.core.errors import DataError
from analysis.statistics.block_confound import block_confound
from analysis.statistics.rsa.rdm import rdm

SMALL = {"rows": 60, "draws": 2, "shuffles": 199, "seed": 1}


def saved(frame: pd.DataFrame, folder):
    path = folder / "table.csv"
    frame.to_csv(path, index=False)
    return path


def test_filled_cells_are_those_at_the_column_mean():
    values = np.array([[1.0, 4, np.nan], [2, 5, 1], [6, 5, 2], [3, 6, 9]])
    values = np.vstack([values, [[3.0, 5, 4], [3, 5, 4]]])
    # 3 and 5 are true counts: their means are whole numbers; 4 is the mean of the third column by chance
    assert blocks.filled_cells(values)[:, :2].sum() == 0
    assert blocks.filled_cells(values)[:, 2].tolist() == [True, False, False, False, False, False]
    counts = np.array([1.0, 2, 4, 4])
    column = np.concatenate([counts, [counts.mean()] * 2])[:, None]
    assert blocks.filled_cells(column).ravel().tolist() == [False] * 4 + [True] * 2


def test_blocks_are_found_from_fill_and_level(merged, tmp_path):
    found = table_audit.audit_table(read(saved(merged.drop(columns="session"), tmp_path), "kind"), **SMALL)
    rows = found.tables["blocks"]
    assert rows["rows"].tolist() == [60, 50, 40]
    assert rows["units_measured"].tolist() == [12, 9, 12]
    assert rows["label face"].tolist() == [0, 50, 0]
    assert found.summary["cells_filled"] == pytest.approx(50 * 3 / (150 * 12))
    assert found.summary["rows_touched"] == pytest.approx(1 / 3)
    assert found.summary["largest_pure_run"] == {
        "label": "face",
        "rows": 50,
        "first_row": 61,
        "units": 9,
        "of_label": 50,
    }
    assert found.summary["label_in_one_block"] == pytest.approx(1.0)


def test_equal_fill_patterns_are_cut_where_the_level_changes(merged):
    values = merged.filter(like="unit_").to_numpy()[np.r_[0:60, 110:150]][:, :9]
    filled = np.zeros(values.shape, bool)
    cuts = blocks.change_points(values, filled, np.zeros(len(values), int), seed=0)
    assert cuts.tolist() == [60]


def test_rows_without_structure_have_no_cut():
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = rng.poisson(rng.uniform(1, 50, size=20), size=(120, 20)).astype(float)
        assert not len(blocks.change_points(values, np.zeros(values.shape, bool), np.zeros(120, int), seed=0))


def test_scattered_rows_are_grouped_by_their_measured_units(merged, tmp_path):
    shuffled = merged.drop(columns="session").sample(frac=1, random_state=0)
    result = table_audit.audit_table(read(saved(shuffled, tmp_path), "kind"), **SMALL)
    assert result.summary["blocks_from"] == "sets of units"
    assert sorted(result.tables["blocks"]["rows"]) == [50, 100]


def test_variance_explained_is_eta_squared():
    values = np.array([[1.0, 0.0], [3.0, 0.0], [5.0, 0.0], [7.0, np.nan]])
    share = blocks.variance_explained(values, np.array(["a", "a", "b", "b"]))
    assert share[0] == pytest.approx(16 / 20)  # between: 4 x 2^2; total: 9 + 1 + 1 + 9
    assert np.isnan(share[1])


def test_a_label_that_coincides_with_blocks_is_not_identifiable(merged, tmp_path):
    result = table_audit.audit_table(read(saved(merged, tmp_path), "kind", "session"), **SMALL)
    found = result.summary["controls"]["label"]
    assert found["rho"] > 0.3
    assert found["carried"] == pytest.approx(found["rho"], abs=0.02)
    assert found["verdict"] == "not identifiable"
    assert result.summary["formats"]["face"] == {"jpg": 50, "png": 0}


def labelled(tmp_path, share: float, tuning: float) -> dict:
    """Audit units that respond to the label with a strength, where one of two sessions shows a share of the faces."""
    rng = np.random.default_rng(5)
    label, in_first = np.arange(160) % 2, rng.random(160)
    session = np.where(label == 1, in_first < share, in_first < 1 - share).astype(int)
    values = rng.normal(size=(160, 30)) + 3 * rng.normal(size=(2, 30))[session]
    values += tuning * np.outer(2 * label - 1, rng.normal(size=30))
    frame = pd.DataFrame(values, columns=[f"u{k}" for k in range(30)])
    frame.insert(0, "image", [f"{k}.png" for k in range(160)])
    frame["face"], frame["session"] = label, session
    result = table_audit.audit_table(read(saved(frame, tmp_path), "face", "session"), **SMALL)
    return result.summary["controls"]["label"]


def test_a_label_that_units_see_holds_within_blocks_and_one_they_do_not_see_is_carried_by_them(tmp_path):
    seen, unseen = labelled(tmp_path, 0.8, 1.0), labelled(tmp_path, 0.8, 0.0)
    assert seen["verdict"] == "within blocks"
    assert 0 < seen["within_low"] < seen["within"] < seen["within_high"]
    assert unseen["verdict"] == "blocks"
    assert unseen["within_low"] < 0 < unseen["within_high"]
    assert unseen["partial_low"] < 0 < unseen["partial_high"]
    assert unseen["rho_low"] > 0


def test_row_rdm_uses_the_units_that_both_rows_have():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 10)) + 100
    assert np.allclose(rdms.row_rdm(values).distances, rdm(values).distances)
    values[0, :4] = np.nan
    values[1, 6:8] = np.nan
    both = [4, 5, 8, 9]
    expected = 1 - np.corrcoef(values[0, both], values[1, both])[0, 1]
    assert rdms.row_rdm(values).square()[0, 1] == pytest.approx(expected)


def test_label_file_matches_by_file_name(merged, tmp_path):
    faces = [path.split("/")[-1] for path in merged["image_path"][60:110]]
    faces[0] = faces[0].replace(".jpg", ".png")  # another extension: lost, as in the report
    listing = tmp_path / "faces.csv"
    pd.DataFrame({"Filename": faces, "x": 1.0}).to_csv(listing, index=False)
    found = read(saved(merged.drop(columns=["kind", "session"]), tmp_path), str(listing))
    assert (found.label == response_table.LISTED).sum() == 49
    assert found.block is None


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({}, ("kind", "day"), "no block column 'day'"),
        ({}, ("species", "session"), "no label column 'species'"),
        ({"session": "a"}, ("kind", "session"), "one block for all 150 rows"),
        ({"kind": "face"}, ("kind", "session"), "all 150 images have the label 'face'"),
        ({"unit_3": 2.5}, ("kind", "session"), "'unit_3' holds 2.5 in every row"),
        ({"unit_3": np.nan}, ("kind", "session"), "'unit_3' is empty in all 150 rows"),
        ({"unit_4": ["many"] + ["1"] * 149}, ("kind", "session"), "'unit_4' holds 'many' (row 1), not a number"),
        ({"image_path": "one.png"}, ("kind", "session"), "'one.png' has more than one row"),
    ],
)
def test_bad_tables_are_named(merged, tmp_path, change, arguments, message):
    path = saved(merged.assign(**change), tmp_path)
    with pytest.raises(DataError) as caught:
        table_audit.audit_table(read(path, *arguments), **SMALL)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_clean_table_without_blocks_is_a_finding(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.poisson(9.0, size=(80, 10)), columns=[f"u{k}" for k in range(10)])
    frame.insert(0, "image", [f"{k}.png" for k in range(80)])
    frame["kind"] = np.arange(80) % 2
    found = table_audit.audit_table(read(saved(frame, tmp_path), "kind"), **SMALL)
    assert found.summary["blocks"] == 1
    assert found.summary["cells_filled"] == 0
    assert len(found.tables["units"]) == 10
    assert found.tables["controls"].empty
    assert found.summary["controls"] == {}
    assert any(line.startswith("no blocks found") for line in describe(found.summary))
    table_audit.write(found, tmp_path / "audited")


def test_same_table_same_bytes(merged, tmp_path):
    for name in ("first", "second"):
        table_audit.write(
            table_audit.audit_table(read(saved(merged, tmp_path), "kind", "session"), **SMALL), tmp_path / name
        )
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == ["blocks.csv", "controls.csv", "fill.csv", "summary.json", "units.csv"]
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_fewer_labels_than_a_sample_needs(merged, tmp_path):
    frame = merged.assign(kind=np.where(np.arange(150) < 5, "face", "other"))
    with pytest.raises(DataError, match="too few for RDMs"):
        table_audit.audit_table(read(saved(frame, tmp_path), "kind", "session"), **SMALL)


@pytest.mark.parametrize("units", [2, 6])
def test_a_table_without_distances_is_refused_in_one_line(units, tmp_path):
    rng = np.random.default_rng(0)
    values, block = rng.normal(size=(60, units)), np.arange(60) // 20
    for k in range(3):  # with six units, each block has two that no other has
        values[block == k] = np.where(np.arange(units) // 2 == k if units == 6 else True, values[block == k], np.nan)
    frame = pd.DataFrame(values, columns=[f"u{k}" for k in range(units)])
    frame = frame.assign(image=[f"i{k}.png" for k in range(60)], kind=np.arange(60) % 2, session=block)
    with pytest.raises(DataError, match=r"1 of 60 sampled images have distances.* 3 or more units that vary"):
        table_audit.audit_table(read(saved(frame, tmp_path), "kind", "session"), **SMALL | {"rows": 60})


def test_response_table_of_the_report(reference):
    source = reference / "report"
    found = read(source / "combinedAIT.csv", str(source / "face.csv"))
    assert isinstance(found, ResponseTable)
    result = table_audit.audit_table(found, rows=200, draws=2, shuffles=199, seed=628)
    numbers = result.summary
    assert (numbers["images"], numbers["units"], numbers["labels"]["listed"]) == (4250, 123, 506)
    assert round(numbers["cells_filled"], 3) == 0.134
    assert round(numbers["rows_touched"], 3) == 0.772
    assert round(numbers["most_filled_column"], 2) == 0.77
    pure = numbers["largest_pure_run"]
    assert (pure["rows"], pure["units"], pure["of_label"]) == (488, 114, 506)
    assert numbers["blocks"] >= 10
    assert round(numbers["variance_by_run_median"], 2) == 0.93
    # the last row names no image; it sums all fixations without one, and has the largest value of nearly all columns
    assert numbers["unnamed_rows"] == 1
    assert found.unnamed.index.tolist() == [4250]
    assert (found.unnamed.to_numpy()[0] > found.values.max(axis=0)).sum() == 62
    assert round(numbers["variance_by_run_with_unnamed"], 2) == 0.80
    assert numbers["formats"]["listed"]["jpg"] == 496
    label = numbers["controls"]["label"]
    assert label["verdict"] == "not identifiable"
    assert label["rho"] == pytest.approx(label["carried"], abs=0.05)
    assert label["within_low"] < 0 < label["within_high"]
    assert json.dumps(numbers, allow_nan=False)


def test_label_rdm_of_the_reports_table(reference):
    """Rho for all 506 faces and from 506 down to 169 other images: .59 to .74 overall, and .61 to .74 within runs.

    These limits are of single draws of the other images. Over many draws they are .584 and .724, and .603 and .735
    within runs, so a mean over draws may exceed them by one standard deviation. With fewer faces than others rho is
    lower.
    """
    source = reference / "report"
    found = read(source / "combinedAIT.csv", str(source / "face.csv"))
    run = blocks.find_blocks(found, blocks.filled_cells(found.values), seed=0).run
    faces, others = (np.flatnonzero((found.label == response_table.LISTED) == listed) for listed in (True, False))
    rng = np.random.default_rng(1)
    for n in (506, 272, 169):
        rows = [np.concatenate([faces, rng.choice(others, n, replace=False)]) for _ in range(6)]
        each = np.array([_label_rdm(found, run, chosen) for chosen in rows])
        (rho, left), (sd, _) = each.mean(axis=0), each.std(axis=0)
        assert sd < 0.015
        assert 0.59 - sd <= rho <= 0.74
        assert 0.61 - sd <= left <= 0.74
        assert (each[:, 1] >= each[:, 0]).all()
    rare = [control_table.sample(found, 200, np.random.default_rng(k), 0.2) for k in range(8)]
    assert np.mean([_label_rdm(found, run, chosen) for chosen in rare], axis=0)[0] == pytest.approx(0.38, abs=0.04)


def _label_rdm(found: ResponseTable, run: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """Return rho of the RDMs of table and label, and rho after shuffling within runs of rows with the same units."""
    label, neural = found.label[rows], rdm(found.values[rows])
    found = block_confound(rdms.category_rdm(label), neural, label, run[rows], resampled=(), permutations=0)
    return found.rho, found.carried
