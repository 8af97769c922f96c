import numpy as np
import pytest
import xarray as xr

from analysis.core.errors import DataError
from analysis.tools import assembly
from tests import brainio


def recording() -> xr.Dataset:
    n = 5
    along = {"stimulus_id": list("abaab"), "trial": [1, 2, 4, 4, 6], "ordinal": [0, 0, 0, 1, 0]}
    along |= {name: np.arange(n, dtype=float) for name in ("onset_ms", "offset_ms", "x_dva", "y_dva")}
    along["selected"] = [True, True, True, False, True]
    across = {name: ["x", "y", "z"] for name in ("neuroid_id", "unit", "region", "subject")}
    across |= {"latency_ms": [50.0, 60, 70], "rsc_across_trials": [0.1, 0.2, np.nan], "stable": [True, False, True]}
    return xr.Dataset(
        {"rate": (("fixation", "unit"), np.arange(15, dtype=np.float32).reshape(n, 3))},
        {name: ("fixation", values) for name, values in along.items()}
        | {name: ("unit", values) for name, values in across.items()},
        {"recording": "Aa000001", "subject": "Aa", "window_ms": 200},
    )


def test_selected_fixations_and_stable_units_become_an_assembly(tmp_path):
    recording().to_netcdf(tmp_path / "Aa000001.nc", engine="h5netcdf")
    assembly.export(str(tmp_path / "Aa000001.nc"), tmp_path / "out.nc")
    with xr.open_dataarray(tmp_path / "out.nc") as read:
        assert read.dims == ("presentation", "neuroid", "time_bin")
        np.testing.assert_array_equal(read.values[:, :, 0], [[0, 2], [3, 5], [6, 8], [12, 14]])
        assert read["stimulus_id"].values.tolist() == ["a", "b", "a", "b"]
        assert read["repetition"].values.tolist() == [0, 0, 1, 1]
        assert read["neuroid_id"].values.tolist() == ["x", "z"]
        assert (read["time_bin_start"].item(), read["time_bin_end"].item()) == (0, 200)
        assert read.attrs["units"] == "spikes/s"


def test_a_file_that_is_no_recording_is_refused():
    with pytest.raises(DataError, match="not a file of the stage recordings"):
        assembly.assembly(recording().drop_vars("latency_ms"))


def free_viewing(n_images: int, n_trials: int, n_fixations: int, sd: tuple, seed: int) -> xr.Dataset:
    """A recording whose units respond to the image, to the state of the animal in a trial, and at random (SDs)."""
    rng = np.random.default_rng(seed)
    image, showing, ordinal = (x.ravel() for x in np.indices((n_images, n_trials, n_fixations)))
    trial = rng.permutation(n_images * n_trials)[image * n_trials + showing]
    order = np.lexsort((ordinal, trial))
    image, trial, ordinal = image[order], trial[order], ordinal[order]
    n_units = 12
    signal, state = rng.normal(size=(n_images, n_units)), rng.normal(size=(trial.max() + 1, n_units))
    rate = sd[0] * signal[image] + sd[1] * state[trial] + sd[2] * rng.normal(size=(len(image), n_units))
    along = dict.fromkeys(("onset_ms", "offset_ms", "x_dva", "y_dva"), np.arange(len(image), dtype=float))
    along |= {"stimulus_id": [f"image {n}" for n in image], "trial": trial, "ordinal": ordinal}
    across = {key: [f"u{n}" for n in range(n_units)] for key in ("neuroid_id", "unit", "region", "subject")}
    across |= dict.fromkeys(("latency_ms", "rsc_across_trials"), np.zeros(n_units))
    return xr.Dataset(
        {"rate": (("fixation", "unit"), 50 + rate.astype(np.float32))},
        {name: ("fixation", values) for name, values in along.items()}
        | {name: ("unit", values) for name, values in across.items()},
        {"recording": "Aa000001", "window_ms": 200},
    )


def even_odd_ceiling(exported: xr.DataArray, repetition: np.ndarray) -> float:
    """Median over units of the split-half reliability, stepped up to all repetitions (Spearman-Brown)."""
    rates, image = exported.values[:, :, 0], exported["stimulus_id"].values
    halves = []
    for odd in (0, 1):
        rows = repetition % 2 == odd
        halves.append(np.stack([rates[rows & (image == name)].mean(axis=0) for name in np.unique(image)]))
    r = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(*(half.T for half in halves), strict=True)])
    return float(np.median(2 * r / (1 + r)))


def test_an_even_odd_split_by_repetition_gives_the_ceiling_of_the_planted_truth():
    sd, n_trials, n_fixations = (1.0, 2.0, 1.5), 4, 6
    exported = assembly.assembly(free_viewing(300, n_trials, n_fixations, sd, seed=1))
    truth = sd[0] ** 2 / (sd[0] ** 2 + (sd[1] ** 2 + sd[2] ** 2 / n_fixations) / n_trials)
    repetition = exported["repetition"].values
    assert sorted(set(repetition)) == list(range(n_trials))
    assert even_odd_ceiling(exported, repetition) == pytest.approx(truth, abs=0.04)
    # Halves that share trials mistake the state of the animal for the image.
    assert even_odd_ceiling(exported, exported["ordinal"].values) > truth + 0.3


def test_fixations_of_one_trial_share_their_repetition_in_order_of_time():
    exported = assembly.assembly(free_viewing(5, 3, 4, (1.0, 0.0, 0.0), seed=2))
    image, trial = exported["stimulus_id"].values, exported["trial"].values
    for name in np.unique(image):
        found = exported["repetition"].values[image == name]
        assert found.tolist() == np.unique(trial[image == name], return_inverse=True)[1].tolist()


def test_brainios_own_loader_reads_the_export(tmp_path):
    recording().to_netcdf(tmp_path / "Aa000001.nc", engine="h5netcdf")
    exported = assembly.export(str(tmp_path / "Aa000001.nc"), tmp_path / "out.nc")
    found = brainio.load(tmp_path / "out.nc")
    assert found["dims"] == ["presentation", "neuroid", "time_bin"]
    np.testing.assert_array_equal(found["values"], exported.values)
    assert found["coords"]["repetition"] == [0, 0, 1, 1]
    assert (found["coords"]["time_bin_start"], found["coords"]["time_bin_end"]) == ([0], [200])
    assert {"stimulus_id", "neuroid_id", "region"} <= set(found["coords"])
