"""The table of a recording by a loop over its fixations, read and computed the plain way: what ours must equal."""

import h5py
import numpy as np

RASTER = "processing/ecephys/rasters/data"


def plain_table(main, rasters, latency, lag_ms, corrected):
    """Return the table by a loop over fixations, read and computed the plain way: (fixation rows, responses)."""
    with h5py.File(main, "r") as file:
        fixations = {k: v[()] for k, v in file["processing/behavior/fixations"].items() if k != "ord_in_trial"}
        shown = {k: v[()] for k, v in file["intervals/presentations"].items()}
        index = file["stimulus/presentation/presentations/data"][()]
        images = [
            path.decode().rpartition("/")[2].rpartition(".")[0]
            for path in file["stimulus/templates/stimuli/external_file"]
        ]
        size = file["stimulus/templates/stimuli/dimension"][()]
        text = file["general/stimulus"][()]
        text = text.decode() if isinstance(text, bytes) else text
        ppd = np.array(text.split("pix per degree")[0].split("[")[-1].strip("] ").split(","), float)
    with h5py.File(rasters, "r") as file:
        raster = file[RASTER][()]
    half_size = np.round(size / ppd, 1) / 2
    at = {int(trial): row for row, trial in enumerate(shown["trial_id"])}
    rows = []
    for i, trial in enumerate(fixations["trial_id"]):
        start, stop = float(fixations["start_time"][i]), float(fixations["stop_time"][i])
        if not corrected:
            if 0 <= trial < len(index):
                counts = raster[max(int(start * 1000), 0) : max(int(stop * 1000), 0)].sum(axis=0)
                rows.append({"row": i, "stem": images[int(index[int(trial)])], "response": counts})
            continue
        if int(trial) not in at:
            continue
        p = at[int(trial)]
        start, stop = round((start - lag_ms / 1e3) * 1e6), round((stop - lag_ms / 1e3) * 1e6)
        on, off = round(float(shown["start_time"][p]) * 1e6), round(float(shown["stop_time"][p]) * 1e6)
        if not (stop > on and start <= off):
            continue
        zeroth, start = start <= on, max(start, on)
        x, y = float(fixations["x"][i]) - shown["position"][p][0], float(fixations["y"][i]) - shown["position"][p][1]
        good = (
            stop - start >= 100_000
            and start >= 500_000
            and stop <= len(raster) * 1000 - 500_000
            and abs(x) < half_size[0]
            and abs(y) < half_size[1]
        )
        rate = []
        for unit, ms in enumerate(latency):
            first = round(start / 1e3 + ms)
            inside = first >= 0 and first + 200 <= len(raster)
            rate.append(raster[first : first + 200, unit].sum() * 5.0 if inside else np.nan)
        rows.append(
            {"row": i, "stem": images[int(index[p])], "response": np.array(rate), "onset": start, "selected": good,
             "trial": int(trial), "zeroth": zeroth}
        )  # fmt: skip
    if corrected:
        for trial in {row["trial"] for row in rows}:
            same = sorted((r for r in rows if r["trial"] == trial), key=lambda r: (r["onset"], not r["zeroth"]))
            for place, row in enumerate(same):
                row["ordinal"] = place + (0 if any(r["zeroth"] for r in same) else 1)
    return rows


def check(table, main, rasters, tables, corrected):
    """Compare a table with the plain loop; say the first difference."""
    with h5py.File(rasters, "r") as file:
        n_units = file[RASTER].shape[1]
    expected = plain_table(main, rasters, table["latency_ms"].values, tables.tracker_latency_ms, corrected)
    assert n_units == table.sizes["unit"], "number of units"
    assert [r["row"] for r in expected] == table["row"].values.tolist(), "rows"
    assert [r["stem"] for r in expected] == table["stimulus_id"].values.tolist(), "images"
    response = table["rate" if corrected else "count"].values
    if expected:
        np.testing.assert_allclose(np.array([r["response"] for r in expected]), response, rtol=1e-6)
    if corrected:
        assert [r["selected"] for r in expected] == table["selected"].values.tolist(), "selected"
        assert [r["ordinal"] for r in expected] == table["ordinal"].values.tolist(), "ordinal"
        assert [r["onset"] / 1e3 for r in expected] == table["onset_ms"].values.tolist(), "onset"
