"""The real recording An220105 against published numbers and the report's own output."""

import numpy as np
import pytest

from analysis.recordings.annotations import Annotations
from analysis.recordings.read import means_by_image, open_recording, selected
from analysis.recordings.stage import one_recording

from .plain import check


@pytest.fixture(scope="module")
def build(reference, tmp_path_factory):
    stem = reference / "000628/sub-An/sub-An_ses-20220105T173929"

    def _build(protocol):
        out = tmp_path_factory.mktemp("real") / f"{protocol}.nc"
        main = stem.with_name(stem.name + "_image.nwb")
        one_recording(main, stem.with_suffix(".nwb"), reference / "annotations", out, protocol)
        return out

    return _build


def test_corrected_numbers(build):
    recording = open_recording(build("corrected"))
    assert recording.attrs["fixations_in_file"] == 6433
    assert recording.sizes == {"fixation": 3720, "unit": 35}
    chosen = selected(recording)
    assert chosen.sizes["fixation"] == recording.attrs["fixations_selected"] == 3426
    assert recording["stable"].values.all()
    assert set(recording["region"].values) == {"V1"}
    counts = np.rint(chosen["rate"].values.astype(float) * 0.2)
    assert counts.sum() == 267_004
    assert chosen["rate"].values.sum(dtype=float) == pytest.approx(1_335_020)
    assert (recording["latency_ms"].values == 60).all()
    assert len(open_recording(build("corrected"), stable_only=True).unit) == 35
    images, means, n = means_by_image(chosen["rate"].values, chosen["stimulus_id"].values)
    assert n.sum() == 3426
    assert means.shape == (len(images), 35)


def test_report_numbers(build):
    recording = open_recording(build("report"))
    attrs = recording.attrs
    assert recording.sizes["fixation"] == attrs["fixations_labelled"] == 4619
    assert (attrs["presentations_right"], attrs["presentations_wrong"], attrs["presentations_none"]) == (3, 626, 226)
    kept = recording.isel(unit=recording["stable"].values)
    assert kept.sizes["unit"] == 34
    # First row of the table of An220105 in the report's repository (neuron_maps/V1, commit d058476).
    published = (
        "51 34 42 46 48 43 79 35 52 27 61 55 157 39 78 51 27 31 22 64 66 50 39 29 55 30 62 58 74 63 98 77 140 37"
    )
    image = kept["image_count"].sel(image="3b04445b08b072ac1709f75075a4f0fc")
    assert image.values.tolist() == [int(count) for count in published.split()]


@pytest.mark.parametrize("protocol", ["corrected", "report"])
def test_every_row_is_that_of_a_plain_loop_over_the_rules(build, reference, protocol):
    stem = reference / "000628/sub-An/sub-An_ses-20220105T173929"
    tables = Annotations(reference / "annotations").of("An220105")
    main = stem.with_name(stem.name + "_image.nwb")
    check(open_recording(build(protocol)), main, stem.with_suffix(".nwb"), tables, protocol == "corrected")


def test_same_bytes(build):
    assert build("corrected").read_bytes() == build("corrected").read_bytes()
