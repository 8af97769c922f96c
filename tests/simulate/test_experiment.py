"""The simulated experiment is valid and reproducible, and has every irregularity of the published data."""

import hashlib
import io
import json
import re
import subprocess
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from analysis.acquire.manifest import write_manifest
from analysis.core.errors import DataError
from analysis.simulate.experiment import simulate
from analysis.simulate.sessions import BANK_CHANNELS, PLAN
from tests.simulate.simulated_files import (
    BY_NAME,
    annotated_stems,
    latency_table,
    main_file,
    members,
    raster_file,
    rows,
    stems_shown,
    table,
)

AREAS = {"V1", "V2", "V4", "PIT", "CIT", "AIT"}


def test_pynwb_finds_every_file_valid(raw):
    import pynwb

    files = sorted((raw / "dandiset").glob("*/*.nwb"))
    assert len(files) == 12
    for path in files:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert pynwb.validate(path=str(path)) == [], path


def test_tables_and_dtypes_are_those_of_a_real_recording(raw, reference):
    def layout(file):
        found = {}

        def note(name, item):
            if name.startswith("specifications"):
                return
            if isinstance(item, h5py.Dataset) and re.match("intervals|processing|stimulus", name):
                found[name] = (item.dtype.kind, item.dtype.itemsize, item.ndim)
            if "colnames" in item.attrs:
                found[f"{name}.colnames"] = tuple(item.attrs["colnames"])

        file.visititems(note)
        return found

    real = reference / "000628/sub-An"
    for ours, theirs in (
        (main_file(raw, "Mo210503"), real / "sub-An_ses-20220105T173929_image.nwb"),
        (raster_file(raw, "Mo210503"), real / "sub-An_ses-20220105T173929.nwb"),
    ):
        with ours, h5py.File(theirs) as published:
            assert layout(ours) == layout(published)


def test_rasters_have_one_chunk_per_unit_and_the_wrong_rate(raw):
    with raster_file(raw, "Mo210503") as file:
        data = file["processing/ecephys/rasters/data"]
        assert (data.dtype, data.compression, data.chunks) == (np.uint8, "gzip", (data.shape[0], 1))
        assert file["processing/ecephys/rasters/starting_time"].attrs["rate"] == 0.001


def test_same_seed_same_bytes_for_any_number_of_workers(raw, tiny_params, seed, tmp_path, monkeypatch):
    monkeypatch.setenv("NNN_WORKERS", "2")
    monkeypatch.setattr("analysis.simulate.experiment.FEWEST_IMAGES_FOR_PROCESSES", 1)
    simulate(tiny_params, seed, tmp_path / "raw")

    def digest(folder):
        write_manifest(folder, "simulated")
        return json.loads((folder / "manifest.json").read_text())["files"]

    assert digest(tmp_path / "raw") == digest(raw)


def test_all_areas_and_two_monkeys(raw):
    banks = rows(raw / "annotations/db/bank_array_regions.csv")
    assert {r["Region"] for r in banks} == AREAS
    assert len({r["Session"][:2] for r in banks}) == 2


def test_units_of_several_areas_in_one_recording(raw):
    banks = {(r["Session"], int(r["Bank"])): r["Region"] for r in rows(raw / "annotations/db/bank_array_regions.csv")}
    with raster_file(raw, "Mo210504_1") as file:
        names = [n.decode() for n in file["processing/ecephys/unit_names/unit_name"][()]]
    areas = {banks["Mo210504_1", (int(re.match(r"\d+", n)[0]) - 1) // BANK_CHANNELS] for n in names}
    assert areas == {"CIT", "AIT"}
    assert any(n[-1].isalpha() for n in names)
    assert len(set(names)) == len(names) == 10


def test_aborted_trials_have_no_presentation_and_row_is_not_trial(raw):
    with main_file(raw, "Mo210503") as file:
        trials, shown = table(file, "intervals/trials"), table(file, "intervals/presentations")
        fixations = table(file, "processing/behavior/fixations")
    without = np.setdiff1d(trials["id"], shown["trial_id"])
    assert len(without) > 5
    assert set(trials["error_code"][without]) <= {3.0, 4.0}
    assert np.isin(fixations["trial_id"], without).any()
    assert (shown["trial_id"] != shown["id"]).mean() > 0.9


def test_some_presentations_are_cut_short(raw):
    with main_file(raw, "Mo210503") as file:
        shown = table(file, "intervals/presentations")
        errors = file["intervals/trials/error_code"][()][shown["trial_id"]]
    lasted = shown["stop_time"] - shown["start_time"]
    assert (lasted[errors == 0] > 1.5).all()
    assert (errors == 3).any()
    assert (lasted[errors == 3] < 1.25).all()


def test_gaze_leaves_the_screen_blinks_and_spans_the_onset(raw):
    session = BY_NAME["Mo210503"]
    with main_file(raw, session.name) as file:
        shown, fixations = table(file, "intervals/presentations"), table(file, "processing/behavior/fixations")
    row = {t: i for i, t in enumerate(shown["trial_id"])}
    here = np.array([t in row for t in fixations["trial_id"]])
    onset = np.array([shown["start_time"][row.get(t, 0)] for t in fixations["trial_id"]])
    lag = session.tracker_latency_ms / 1000
    spans = here & (fixations["start_time"] - lag <= onset) & (fixations["stop_time"] - lag > onset)
    assert 0.7 < spans.sum() / len(row) < 1
    blink = (np.abs(fixations["x"] + 19) < 2) & (np.abs(fixations["y"] + 16.5) < 2)
    away = (np.abs(fixations["x"]) > 15.9) & (np.abs(fixations["y"]) > 9.9) & ~blink
    assert blink.sum() > 3
    assert away.sum() > 5
    assert (fixations["stop_time"] - fixations["start_time"] < 0.1).mean() > 0.03
    assert (np.round(fixations["start_time"] - lag, 6)[here] < 0.5).any()


def test_tracker_latency_depends_on_rig_and_tracker_and_none_is_text(raw):
    database = raw / "annotations/db"
    latency = {(r["Rig"], r["Tracker"]): int(r["Latency"]) for r in rows(database / "rig_eye_latency.csv")}
    assert latency == {("1", "None"): 24, ("2", "None"): 46, ("2", "EyeLink"): 5, ("3", "None"): 37}
    rigs = {r["Name"]: latency[r["Rig"], r["Eye tracker"].split()[-1]] for r in rows(database / "sess_rig_info.csv")}
    assert rigs == {name: BY_NAME[name].tracker_latency_ms for name in rigs}
    assert len(set(rigs.values())) == 4


def test_pixels_per_degree_differ_in_x_and_y_for_images_that_are_not_square(raw):
    with main_file(raw, "Zu200311") as file:
        notes = file["general/stimulus"][()].decode()
        dimension = tuple(file["stimulus/templates/stimuli/dimension"][()])
        shown = [p.decode() for p in file["stimulus/templates/stimuli/external_file"][()]]
    assert notes == "[312, 216] pixels at [24, 20.7] pix per degree; 1 unique location(s)"
    assert dimension == (312, 216)
    archive = members(raw)
    assert {Image.open(io.BytesIO(archive[p])).size for p in shown} == {(312, 216)}


def test_one_recording_shows_images_at_several_places(raw):
    with main_file(raw, "Mo210505") as file:
        assert len(np.unique(file["intervals/presentations/position"][()], axis=0)) == 4


def test_unstable_units_and_one_on_which_the_rules_differ(raw):
    with raster_file(raw, "Mo210503") as file:
        counts = file["processing/ecephys/rasters/data"][()].astype(np.int64)
    half = len(counts) // 2
    first, second = counts[:half].mean(axis=0), counts[half:].mean(axis=0)
    overall = counts.mean(axis=0)
    authors = (second == 0) | (np.abs(second / overall - 1) > 0.5)
    report = (second == 0) | (np.abs(second - first) / first > 0.5)
    assert authors.sum() == 2
    assert report.sum() == 3
    assert (second == 0).sum() == 1


def test_one_recording_is_unlabelled(raw):
    annotated = annotated_stems(raw)
    others = set().union(*(stems_shown(raw, s.name) for s in PLAN[:6] if s.images != "unlabelled"))
    unlabelled = stems_shown(raw, "Zu200314_1")
    assert len(unlabelled) == 6
    assert not unlabelled & (annotated | others)
    assert all(stems_shown(raw, s.name) & annotated for s in PLAN[:6] if s.images != "unlabelled")


def test_one_recording_of_ait_shows_faces_only(raw):
    truth = {r["stem"]: r for r in rows(raw / "truth/scenes.csv")}
    banks = rows(raw / "annotations/db/bank_array_regions.csv")
    assert next(r["Region"] for r in banks if r["Session"] == "Mo210504_2") == "AIT"
    assert {truth[s]["kind"] for s in stems_shown(raw, "Mo210504_2")} == {"head"}
    mixed = {truth[s]["category"] for s in stems_shown(raw, "Mo210504_1")}
    assert {"face", "object", "pareidolia"} <= mixed


def test_masks_differ_from_images_in_extension_and_mode(raw):
    extension = {Path(n).stem: Path(n).suffix for n in members(raw)}
    masks = sorted((raw / "annotations/db/ROIs/Stimuli").glob("*/*"))
    assert {p.suffix for p in masks} == {".png", ".jpg"}
    assert any(p.suffix != extension[p.stem] for p in masks)
    assert any(p.suffix == extension[p.stem] for p in masks)
    assert {Image.open(p).mode for p in masks} == {"L", "RGB"}
    assert {p.parent.name for p in masks} == {
        "face",
        "occluded_face",
        "other_face",
        "pareidolia",
        "primate_face",
        "primate_face_clutter",
    }


def test_boxes_refer_to_pictures_of_another_size_and_contain_the_face(raw):
    archive = {Path(n).name: c for n, c in members(raw).items()}
    truth = {r["stem"]: r for r in rows(raw / "truth/scenes.csv")}
    boxes = rows(raw / "annotations/db/ROIs/Stimuli/face.csv")
    other_frame = 0
    for box in boxes:
        assert box["Filename"].endswith(".jpg")
        size = np.array(Image.open(io.BytesIO(archive[box["Filename"]])).size)
        scale = size / [float(box["W"]), float(box["H"])]
        other_frame += not np.allclose(scale, 1)
        scene = truth[Path(box["Filename"]).stem]
        low = np.array([float(box["x"]), float(box["y"])]) * scale
        high = low + np.array([float(box["w"]), float(box["h"])]) * scale
        centre = np.array([float(scene["x"]), float(scene["y"])])
        assert (low < centre).all()
        assert (centre < high).all()
    assert 0 < other_frame < len(boxes)


def test_the_report_misses_faces_by_extension(raw):
    names = {Path(n).name for n in members(raw)}
    listed = {r["Filename"] for r in rows(raw / "report/face.csv")}
    truth = rows(raw / "truth/scenes.csv")
    faces = {r["stem"] for r in truth if r["kind"] == "head" and r["annotated"] == "True"}
    found = {Path(n).stem for n in names & listed}
    assert found < faces
    assert any(Path(n).stem in faces - found for n in listed)


def test_near_duplicates_are_similar(raw):
    archive = {Path(n).name: c for n, c in members(raw).items()}
    groups = [line.split("\t") for line in (raw / "annotations/db/similar_images.txt").read_text().splitlines()]
    assert len(groups) >= 2

    def grey(name):
        return np.asarray(Image.open(io.BytesIO(archive[name])).convert("L").resize((32, 32)), float).ravel()

    for first, *rest in groups:
        assert rest
        assert all(np.corrcoef(grey(first), grey(name))[0, 1] > 0.7 for name in rest)


def test_suffixed_names_two_on_a_date_and_one_alone(raw):
    names = (raw / "annotations/db/sessions.txt").read_text().split()
    assert {"Mo210504_1", "Mo210504_2", "Zu200314_1"} <= set(names)
    files = sorted(p.name for p in (raw / "dandiset/sub-Mo").glob("*20210504*_image.nwb"))
    assert len(files) == 2


def test_images_are_rgb_and_rgba_png_and_jpg_with_a_mild_shortcut(raw):
    archive = members(raw)
    kinds = {(Path(n).suffix, Image.open(io.BytesIO(c)).mode) for n, c in archive.items()}
    assert kinds == {(".jpg", "RGB"), (".png", "RGB"), (".png", "RGBA")}
    assert len(archive) == 62
    truth = {r["stem"]: r for r in rows(raw / "truth/scenes.csv")}
    jpg = {True: [], False: []}
    for name in archive:
        jpg[truth[Path(name).stem]["kind"] == "head"].append(name.endswith("jpg"))
    assert np.mean(jpg[True]) > np.mean(jpg[False])


def test_the_archive_has_volumes_and_its_names_are_digests(raw):
    volumes = sorted(p.name for p in (raw / "stimuli").iterdir())
    assert volumes == [f"Stimuli.z{i:02d}" for i in range(1, len(volumes))] + ["Stimuli.zip"]
    assert len(volumes) >= 3
    for name, content in members(raw).items():
        assert name.split("/")[1].split(".")[0] == hashlib.md5(content).hexdigest()


def test_the_latency_table_lacks_units(raw):
    units = {(r["Session"], r["Name"]) for r in rows(raw / "annotations/db/units.csv.gz")}
    known = {(r["Session"], r["Name"]): int(r["Latency"]) for r in rows(latency_table(raw))}
    assert known.keys() < units
    assert any(value < 40 for value in known.values())
    assert {(r["Session"], r["Name"]) for r in rows(raw / "annotations/db/per_unit_rf.csv.gz")} == units


@pytest.mark.parametrize("key", ["faces", "objects", "pareidolia", "unlabelled"])
def test_too_few_images_are_named(tiny_params, seed, tmp_path, key):
    with pytest.raises(DataError, match=f"simulate.{key} = 2: give"):
        simulate(tiny_params.model_copy(update={key: 2}), seed, tmp_path / "raw")


def test_too_many_units_are_named(tiny_params, seed, tmp_path):
    with pytest.raises(DataError, match=r"simulate\.units_per_recording"):
        simulate(tiny_params.model_copy(update={"units_per_recording": 400}), seed, tmp_path / "raw")
    assert not list(tmp_path.glob("raw/dandiset/*/*.nwb"))


def test_nothing_of_the_environment_is_in_the_files(raw):
    found = subprocess.run(["grep", "-rl", str(raw.parent), str(raw)], capture_output=True, text=True, check=False)
    assert found.stdout == ""
