"""The simulated experiment: valid, repeatable, true to its truth, and holding every trap of the published data."""

import csv
import gzip
import hashlib
import io
import json
import re
import struct
import subprocess
import warnings
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from analysis.acquire.manifest import write_manifest
from analysis.core.errors import DataError
from analysis.simulate.experiment import simulate
from analysis.simulate.sessions import BANK_CHANNELS, PLAN

BY_NAME = {s.name: s for s in PLAN}
AREAS = {"V1", "V2", "V4", "PIT", "CIT", "AIT"}


def rows(path):
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return list(csv.DictReader(io.StringIO(text)))


def main_file(raw, name):
    return h5py.File(raw / "dandiset" / f"{BY_NAME[name].header.stem}_image.nwb")


def raster_file(raw, name):
    return h5py.File(raw / "dandiset" / f"{BY_NAME[name].header.stem}.nwb")


def table(file, path):
    return {k: v[()] for k, v in file[path].items()}


def members(raw):
    """Names and contents of the archive, joined by hand: volumes one after another, data found by local headers."""
    volumes = [*sorted((raw / "stimuli").glob("Stimuli.z[0-9]*")), raw / "stimuli" / "Stimuli.zip"]
    data, place, found = b"".join(v.read_bytes() for v in volumes), 4, {}
    while data[place : place + 4] == b"PK\x03\x04":
        method, packed, n = struct.unpack("<8xH8xI4xH2x", data[place : place + 30])
        name, body = data[place + 30 : place + 30 + n].decode(), data[place + 30 + n : place + 30 + n + packed]
        found[name] = zlib.decompress(body, -15) if method == 8 else body
        place += 30 + n + packed
    return found


def stems_shown(raw, name):
    with main_file(raw, name) as file:
        return {Path(p.decode()).stem for p in file["stimulus/templates/stimuli/external_file"][()]}


def annotated_stems(raw):
    regions = raw / "annotations/db/ROIs/Stimuli"
    return {Path(r["Filename"]).stem for r in rows(regions / "face.csv")} | {p.stem for p in regions.glob("*/*")}


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


def test_rasters_are_stored_a_chunk_per_unit_with_the_wrong_rate(raw):
    with raster_file(raw, "Mo210503") as file:
        data = file["processing/ecephys/rasters/data"]
        assert (data.dtype, data.compression, data.chunks) == (np.uint8, "gzip", (data.shape[0], 1))
        assert file["processing/ecephys/rasters/starting_time"].attrs["rate"] == 0.001


def test_same_seed_same_bytes_for_any_number_of_workers(raw, tiny_params, seed, tmp_path, monkeypatch):
    monkeypatch.setenv("NNN_WORKERS", "2")
    monkeypatch.setattr("analysis.simulate.experiment.FEW", 1)
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


def test_tracker_latency_goes_by_rig_and_tracker_with_none_as_text(raw):
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


def test_boxes_lie_in_a_frame_of_their_own_and_hold_the_face(raw):
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


def test_the_report_loses_faces_by_extension(raw):
    names = {Path(n).name for n in members(raw)}
    listed = {r["Filename"] for r in rows(raw / "report/face.csv")}
    truth = rows(raw / "truth/scenes.csv")
    faces = {r["stem"] for r in truth if r["kind"] == "head" and r["annotated"] == "True"}
    found = {Path(n).stem for n in names & listed}
    assert found < faces
    assert any(Path(n).stem in faces - found for n in listed)


def test_near_duplicates_look_alike(raw):
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


def test_the_archive_has_volumes_and_names_are_digests(raw):
    volumes = sorted(p.name for p in (raw / "stimuli").iterdir())
    assert volumes == [f"Stimuli.z{i:02d}" for i in range(1, len(volumes))] + ["Stimuli.zip"]
    assert len(volumes) >= 3
    for name, content in members(raw).items():
        assert name.split("/")[1].split(".")[0] == hashlib.md5(content).hexdigest()


def test_the_latency_table_lacks_units(raw):
    units = {(r["Session"], r["Name"]) for r in rows(raw / "annotations/db/units.csv.gz")}
    known = {(r["Session"], r["Name"]): int(r["Latency"]) for r in rows(_latency(raw))}
    assert known.keys() < units
    assert any(value < 40 for value in known.values())
    assert {(r["Session"], r["Name"]) for r in rows(raw / "annotations/db/per_unit_rf.csv.gz")} == units


def _latency(raw):
    return raw / "annotations/db/per_unit_latency-fix_on.csv.gz"


def windows(raw, name):
    """Spikes and planted expectation in every response window, by the published rules, and how long the image stays.

    Returns arrays (fixation, unit), (fixation, unit), (fixation,) in s, and the truth.
    """
    session = BY_NAME[name]
    with main_file(raw, name) as file:
        shown, fixations = table(file, "intervals/presentations"), table(file, "processing/behavior/fixations")
    with raster_file(raw, name) as file:
        counts = file["processing/ecephys/rasters/data"][()].astype(np.int64)
    truth = xr.load_dataset(raw / "truth" / f"{name}.nc", engine="h5netcdf")
    period = {t: (a, b) for t, a, b in zip(shown["trial_id"], shown["start_time"], shown["stop_time"], strict=True)}
    onset, offset = np.array([period.get(t, (np.inf, -np.inf)) for t in fixations["trial_id"]]).T
    start = np.round(fixations["start_time"] - session.tracker_latency_ms / 1000, 6)
    stop = np.round(fixations["stop_time"] - session.tracker_latency_ms / 1000, 6)
    start = np.where((stop > onset) & (start < onset), onset, start)
    known = {(r["Session"], r["Name"]): int(r["Latency"]) for r in rows(_latency(raw))}
    defaults = {"V1": 40, "V2": 40, "V4": 50, "PIT": 65, "CIT": 80, "AIT": 100}
    latency = [
        max(40, known.get((name, str(unit)), defaults[str(region)]))
        for unit, region in zip(truth.unit.values, truth.region.values, strict=True)
    ]
    total = np.concatenate([np.zeros((1, counts.shape[1]), np.int64), np.cumsum(counts, axis=0)])
    first = np.rint(start[:, None] * 1000 + latency).astype(int)
    whole = ((first >= 0) & (first + 200 <= len(counts))).all(axis=1)
    units = np.arange(len(latency))
    spikes = total[first[whole] + 200, units] - total[first[whole], units]
    return spikes.astype(float), truth.noise_free_rate.values[whole] * 0.2, (offset - start)[whole], truth


@pytest.mark.parametrize("name", ["Mo210503", "Mo210504_1", "Mo210505"])
def test_spikes_follow_the_planted_rates(raw, name):
    """Counts in response windows have the mean and the variance of the planted Poisson process."""
    spikes, expected, _, truth = windows(raw, name)
    assert (spikes[expected == 0] == 0).all()
    scores = (spikes - expected).sum(axis=0) / np.sqrt(expected.sum(axis=0))
    # windows overlap when fixations are short, so sums vary up to twice as much as independent ones
    assert np.abs(scores).max() < 4.5
    steady = truth.second_half.values == 1
    dispersion = ((spikes - expected) ** 2).mean(axis=0)[steady] / expected.mean(axis=0)[steady]
    assert dispersion == pytest.approx(1, abs=0.25)


def test_spikes_and_gaze_keep_one_clock(raw):
    """Windows that reach beyond the image straddle a fall of the rate: a clock tens of ms off would show in them."""
    found = planted = 0.0
    for session in PLAN[:6]:
        spikes, expected, left, _ = windows(raw, session.name)
        late = (left >= 0) & (left < 0.2)
        assert late.sum() > 10
        found, planted = found + spikes[late].sum(), planted + expected[late].sum()
    assert abs(found - planted) / np.sqrt(planted) < 3.5


def test_image_means_follow_the_noise_free_rates(raw):
    """The planted image mean (over the gaze distribution) is what noise-free rates of many fixations average to."""
    with main_file(raw, "Mo210504_1") as file:
        shown, fixations = table(file, "intervals/presentations"), table(file, "processing/behavior/fixations")
        index = file["stimulus/presentation/presentations/data"][()].astype(int)
        paths = file["stimulus/templates/stimuli/external_file"][()]
    truth = xr.load_dataset(raw / "truth/Mo210504_1.nc", engine="h5netcdf")
    assert list(truth.image.values) == [Path(p.decode()).stem for p in paths]
    row = {t: i for i, t in enumerate(shown["trial_id"])}
    of = np.array([row.get(t, -1) for t in fixations["trial_id"]])
    here = (of >= 0) & (fixations["start_time"] > shown["start_time"][of]) & (np.abs(fixations["x"]) < 6)
    here &= (np.abs(fixations["y"]) < 6) & (fixations["stop_time"] < shown["stop_time"][of])
    image = index[of[here]]
    steady = truth.second_half.values == 1
    rate = truth.noise_free_rate.values[here][:, steady]
    mean = np.stack([np.bincount(image, r, len(paths)) / np.bincount(image, None, len(paths)) for r in rate.T], 1)
    correlation = [np.corrcoef(a, b)[0, 1] for a, b in zip(mean.T, truth.image_mean.values[:, steady].T, strict=True)]
    assert np.median(correlation) > 0.85


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
