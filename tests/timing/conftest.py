"""A planted recording: after a latency, which differs between areas, units respond to the image until it disappears."""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from analysis import params
from tests.planted import _images as write_images
from tests.project import ROOT

IMAGES, PRESENTATIONS, PER_AREA = 60, 8, 8
LATENCY_MS = {"V1": 50, "AIT": 150}
SHOWN_MS, LATER_MS, CYCLE_MS, START_MS = 700, 350, 800, 1000
"""The image is on for `SHOWN_MS`; a second fixation begins `LATER_MS` after its onset."""
SESSION = "sub-An_ses-20220105T173929"


def write_rasters(path: Path, spikes: np.ndarray, names: list[str]) -> None:
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "processing/ecephys/rasters/data", data=spikes, chunks=(len(spikes), 1), compression="gzip"
        )
        data.attrs["unit"] = "count"
        file["processing/ecephys/unit_names/unit_name"] = np.array(names, object)
        file["session_start_time"] = "2022-01-05T17:39:29.000000-05:00"


def simulate(rng: np.random.Generator, mean: np.ndarray, shown: np.ndarray, latency: np.ndarray) -> np.ndarray:
    """Return Poisson counts (ms, units): 20 spikes/s, but `mean` of the image from one latency after it appears."""
    rate = np.full((START_MS + len(shown) * CYCLE_MS + 1000, len(latency)), 20.0)
    for number, image in enumerate(shown):
        for unit, delay in enumerate(latency):
            first = START_MS + number * CYCLE_MS + delay
            rate[first : first + SHOWN_MS, unit] = mean[image, unit]
    return rng.poisson(rate / 1000).astype(np.uint8)


@pytest.fixture(scope="session")
def experiment(tmp_path_factory) -> Path:
    """A folder with images, a recording of two areas, and the activations of two models.

    The last layer of ``good`` holds the features that units follow, the last layer of ``bad`` none of them; its first
    layer does.
    """
    root, rng = tmp_path_factory.mktemp("timing"), np.random.default_rng(11)
    stems = [f"{k:032x}" for k in rng.permutation(IMAGES)]
    write_images(root / "data/stimuli", stems)
    features = rng.normal(size=(IMAGES, 3))
    regions = np.repeat(list(LATENCY_MS), PER_AREA)
    latency = np.array([LATENCY_MS[region] for region in regions])
    weights = rng.normal(size=(3, len(regions)))
    mean = np.maximum(30 + 14 * features @ (weights / np.linalg.norm(weights, axis=0)), 0.5)
    shown = rng.permutation(np.repeat(np.arange(IMAGES), PRESENTATIONS))
    spikes = simulate(rng, mean, shown, latency)
    names = [f"{k + 1}a" for k in range(len(regions))]
    write_rasters(root / f"data/raw/dandiset/sub-An/{SESSION}.nwb", spikes, names)
    onset = START_MS + CYCLE_MS * np.repeat(np.arange(len(shown)), 2) + np.tile([0, LATER_MS], len(shown))
    total = np.vstack([np.zeros((1, len(names)), int), np.cumsum(spikes, axis=0)])
    starts = onset[:, None] + latency
    window = np.take_along_axis(total, starts + 200, 0) - np.take_along_axis(total, starts, 0)
    data = xr.Dataset(
        {"rate": (("fixation", "unit"), (window / 0.2).astype(np.float32))},
        coords={
            "trial": ("fixation", np.repeat(np.arange(len(shown)), 2)),
            "ordinal": ("fixation", np.tile([0, 1], len(shown))),
            "onset_ms": ("fixation", onset.astype(float)),
            "stimulus_id": ("fixation", np.array(stems)[np.repeat(shown, 2)]),
            "selected": ("fixation", np.ones(len(onset), bool)),
            "unit": ("unit", names),
            "neuroid_id": ("unit", [f"An220105-{name}" for name in names]),
            "region": ("unit", regions),
            "stable": ("unit", np.ones(len(names), bool)),
            "latency_ms": ("unit", latency.astype(float)),
        },
        attrs={"recording": "An220105", "subject": "An", "session": SESSION},
    )
    (root / "data/recordings/corrected").mkdir(parents=True)
    data.to_netcdf(root / "data/recordings/corrected/An220105.nc", engine="h5netcdf")
    noise = rng.normal(size=(IMAGES, 12))
    write_activations(root, "good", stems, noise, features)
    write_activations(root, "bad", stems, features, noise)
    return root


def write_activations(root: Path, model: str, stems: list[str], first: np.ndarray, top: np.ndarray) -> None:
    folder, order = root / "data/activations" / model, np.random.default_rng(5).permutation(len(stems))
    folder.mkdir(parents=True)
    for name, values in (("first", first), ("top", top)):
        np.save(folder / f"{name}.npy", values[order].astype(np.float32))
    pd.DataFrame({"stem": np.array(stems)[order]}).to_csv(folder / "index.csv", index=False)
    layers = [{"name": name, "reduction": "none"} for name in ("first", "top")]
    (folder / "layers.json").write_text(json.dumps(layers))


@pytest.fixture
def values(experiment, tmp_path, monkeypatch) -> params.Params:
    """Parameters to match, in a folder with links to the data."""
    (tmp_path / "data").symlink_to(experiment / "data")
    monkeypatch.chdir(tmp_path)
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    pixels = tree["models"]["pixels"]
    tree["models"] = {"run": ["good", "bad"], "good": pixels, "bad": pixels}
    tree["recorded"]["models"] = ["good"]
    tree["timing"] = {"models": ["good", "bad"], "edges_ms": [0, 50, 100, 150, 200, 250, 300]}
    tree["compare"] |= {"folds": 4, "bootstrap": 100}
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    return params.load()
