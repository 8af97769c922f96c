"""The top layer of what was looked at: against patches cut by hand, and only of fixations that count."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from PIL import Image

from analysis.core import paths
from analysis.models import network, registry
from analysis.models.activations import patches
from analysis.models.activations import read as activations
from analysis.models.activations import stage as activations_stage
from analysis.models.train import stage as train
from analysis.recordings import netcdf
from analysis.recordings.gaze_patches import median_field, patch
from analysis.recordings.read import recording_files

N = 60
SIZE, PPD = np.array([64.0, 48.0]), np.array([8.0, 6.0])


@pytest.fixture
def looked_at(project, tiny):
    """A project with an archive of 80 images of noise and two recordings; returns its parameters."""
    table = pd.read_csv("data/stimuli/images.csv")
    table["path"] = [f"Stimuli/{stem}.png" for stem in table["stem"]]
    table["annotated"] = True
    for name in ("extension", "width", "height", "group"):
        table[name] = 0
    table.to_csv("data/stimuli/images.csv", index=False)
    draw = np.random.default_rng(1)
    paths.STIMULI_ARCHIVE.mkdir(parents=True)
    with zipfile.ZipFile(paths.STIMULI_ARCHIVE / "Stimuli.zip", "w") as archive:
        for name in table["path"]:
            data = io.BytesIO()
            Image.fromarray(draw.integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(data, "png")
            archive.writestr(name, data.getvalue())
    for name in ("An220105", "Bf211114"):
        recording = xr.Dataset(
            {"rate": (("fixation", "unit"), draw.normal(size=(N, 3)))},
            coords={
                "trial": ("fixation", np.arange(N)),
                "unit": ["1", "2", "3"],
                "neuroid_id": ("unit", ["a", "b", "c"]),
                "region": ("unit", ["AIT"] * 3),
                "stable": ("unit", [True] * 3),
                "x_dva": ("fixation", draw.uniform(-3, 3, N)),
                "y_dva": ("fixation", draw.uniform(-3, 3, N)),
                "stimulus_id": ("fixation", np.where(np.arange(N) % 6, table["stem"][:N], "not at hand")),
                "selected": ("fixation", np.arange(N) % 4 != 3),
                "rf_x_dva": ("unit", [1.0, np.nan, 2.0]),
                "rf_y_dva": ("unit", [-1.0, np.nan, 0.5]),
            },
            attrs={
                "recording": name, "subject": name[:2],
                "image_width_px": SIZE[0], "image_height_px": SIZE[1],
                "pixels_per_degree_x": PPD[0], "pixels_per_degree_y": PPD[1],
            },
        )  # fmt: skip
        netcdf.write(recording, paths.RECORDINGS / "corrected" / f"{name}.nc")
    return project(report_hmo=tiny["report_hmo"] | {"activations": {"pool": 2, "features": 12, "patches": 20}})


def test_patches_are_those_at_gaze_and_field_through_the_top_layer(looked_at, monkeypatch):
    train.run(looked_at, "report_hmo")
    activations_stage.run(looked_at, "report_hmo")
    found = activations.read_patches("report_hmo", "An220105")
    recording = netcdf.read(paths.RECORDINGS / "corrected" / "An220105.nc", "run it")
    rows = found["row"].values
    assert len(rows) == 20
    assert (np.diff(rows) > 0).all()
    assert recording["selected"].values[rows].all()
    assert found["stimulus_id"].values.tolist() == recording["stimulus_id"].values[rows].tolist()
    assert "not at hand" not in found["stimulus_id"].values
    np.testing.assert_array_equal(median_field(recording), [1.5, -0.25])
    assert (found.attrs["field_x_dva"], found.attrs["field_y_dva"]) == (1.5, -0.25)
    config = network.read_config(paths.MODELS / "report_hmo")
    hmo = registry.kind("report_hmo").build(config["architecture"]).eval()
    network.load_weights(hmo, paths.MODELS / "report_hmo" / network.WEIGHTS)
    with zipfile.ZipFile(paths.STIMULI_ARCHIVE / "Stimuli.zip") as archive:
        for place, row in list(enumerate(rows))[::7]:
            stem = str(recording["stimulus_id"].values[row])
            image = Image.open(io.BytesIO(archive.read(f"Stimuli/{stem}.png")))
            centre = recording["x_dva"].values[row] + 1.5, recording["y_dva"].values[row] - 0.25
            cut = torch.from_numpy(patch(image, centre, SIZE, PPD, 16).copy())
            with torch.no_grad():
                top = hmo.maps(cut[None])["top"].numpy()
            np.testing.assert_allclose(found["features"].values[place], top[0], atol=1e-5)  # never projected
    # Other fixations of the other recording; and a run that was cut goes on to the same bytes.
    assert activations.read_patches("report_hmo", "Bf211114")["row"].values.tolist() != rows.tolist()
    assert activations.read_patches("report_hmo", "Cc000000") is None
    whole = {path.name: path.read_bytes() for path in (paths.ACTIVATIONS / "report_hmo" / "patches").glob("*.nc")}
    real, done = patches.patches_at, []

    def cut_after_one(*args):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return real(*args)

    monkeypatch.setattr(patches, "patches_at", cut_after_one)
    with pytest.raises(KeyboardInterrupt):
        activations_stage.run(looked_at, "report_hmo")
    ran = []
    monkeypatch.setattr(patches, "patches_at", lambda *args: ran.append(1) or real(*args))
    activations_stage.run(looked_at, "report_hmo")
    assert len(ran) == 1
    assert {
        path.name: path.read_bytes() for path in (paths.ACTIVATIONS / "report_hmo" / "patches").glob("*.nc")
    } == whole


def test_a_recording_without_fixations_that_count_has_no_rows(looked_at, tmp_path):
    path = recording_files("corrected")[0]
    recording = netcdf.read(path, "run it")
    recording["selected"][:] = False
    assert patches.chosen_fixations(recording, {"image001"}, 5, 1, "x").sizes["fixation"] == 0
    netcdf.write(recording, path)
    train.run(looked_at, "report_hmo")
    activations_stage.run(looked_at, "report_hmo")
    assert activations.read_patches("report_hmo", path.stem)["features"].shape == (0, 20)
    assert Path(paths.ACTIVATIONS / "report_hmo" / "top.npy").exists()
