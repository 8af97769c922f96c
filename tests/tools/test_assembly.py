import numpy as np
import pytest
import xarray as xr

from analysis.core.errors import DataError
from analysis.tools import assembly


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
        assert (read["time_bin_start_ms"].item(), read["time_bin_end_ms"].item()) == (0, 200)
        assert read.attrs["units"] == "spikes/s"


def test_a_file_that_is_no_recording_is_refused():
    with pytest.raises(DataError, match="not a file of the stage recordings"):
        assembly.assembly(recording().drop_vars("latency_ms"))
