"""Time the spike reader against its peers and the floor, on the real recording tiled to four sizes, in one run.

Run from the root of the project, with the real recording An220105 in data/raw or in another folder:

    python -m benchmarks.recordings [FOLDER]        # writes benchmarks/recordings.json and prints the tables

The recording (35 units, 56 min, 6433 fixations) is tiled in time to 1, 2, 3 and 4 times its length, with its fixations.
Each reader counts the spikes of every unit in every fixation (200 ms from its start), and all must agree. Times are
processor times (all readers use one thread, so that other work on the machine matters little), the shortest of several
runs. Peers that take minutes run on some of the fixations and are scaled up, as the table states. The floor is
decompression alone, with the same library, from memory.
"""

import os
import platform
import sys
import tempfile
import time
import warnings
from pathlib import Path

import deflate
import h5py
import numpy as np

from analysis.core import numerics, paths
from analysis.recordings.main_file import read_session
from analysis.recordings.rasters import DATA, open_rasters
from benchmarks.sizes import keep, size

RASTERS = size("sub-An/sub-An_ses-20220105T173929.nwb", "sub-*/*[0-9].nwb")
"""Rasters of An220105; in small mode any recording will do."""

TILES = size((1, 2, 3, 4), (1, 2))
UNITS = size((35, 70, 140), (6, 12))
FIXATIONS = size((1_000, 10_000, 100_000), (100, 1_000))
WINDOW_MS = 200
LOOPED = size(50, 5)
"""The report's loop runs on about this many fixations."""


def rasters_in(folder: Path) -> Path:
    """Return the rasters of the recording in a folder such as ``data/raw``; exit if it is not there."""
    found = sorted(folder.glob(f"*/{RASTERS}"))
    if not found:
        sys.exit(f"{folder} holds no {RASTERS}: acquire the real recording An220105, or name a folder that has it")
    return found[0]


def best(function, runs: int) -> float:
    """Return the shortest processor time of several runs in seconds."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def tile(rasters: Path, out: Path, times: int, units: int | None = None) -> None:
    """Write the recording repeated `times` times in a row, or with its units repeated to another number."""
    out.write_bytes(rasters.read_bytes())
    if times == 1 and units is None:
        return
    with h5py.File(out, "a") as file:
        data = file[DATA]
        n_units = units or data.shape[1]
        attrs, n_bins = dict(data.attrs), data.shape[0] * times
        columns = [np.tile(data[:, unit % data.shape[1]], times) for unit in range(n_units)]
        names = [f"{unit + 1}" for unit in range(n_units)]
        del file[DATA]
        new = file.create_dataset(
            DATA, (n_bins, n_units), "u1", chunks=(n_bins, 1), compression="gzip", compression_opts=4
        )
        for unit, column in enumerate(columns):
            new[:, unit] = column
        new.attrs.update(attrs)
        if units is not None:
            del file["processing/ecephys/unit_names/unit_name"]
            file["processing/ecephys/unit_names/unit_name"] = np.array(names, object)


def ours(path: Path, start: np.ndarray) -> np.ndarray:
    """Count with the reader of this project."""
    with open_rasters(path) as rasters:
        return np.column_stack([rasters.spikes(u).count(start, start + WINDOW_MS) for u in range(rasters.n_units)])


def by_column(path: Path, start: np.ndarray) -> np.ndarray:
    """Count with h5py, one column and its cumulative sum at a time."""
    with h5py.File(path, "r") as file:
        data, out = file[DATA], []
        for unit in range(data.shape[1]):
            cumulative = np.concatenate([[0], np.cumsum(data[:, unit], dtype=np.int32)])
            out.append(cumulative[start + WINDOW_MS] - cumulative[start])
    return np.column_stack(out)


def with_pynwb(path: Path, start: np.ndarray) -> np.ndarray:
    """Count from the cumulative sum over time of the whole array, as pynwb reads it."""
    from pynwb import NWBHDF5IO

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with NWBHDF5IO(path, "r") as io:
            raster = io.read().processing["ecephys"]["rasters"].data[:]
    cumulative = np.zeros((len(raster) + 1, raster.shape[1]), np.int32)
    np.cumsum(raster, axis=0, dtype=np.int32, out=cumulative[1:])
    return cumulative[start + WINDOW_MS] - cumulative[start]


def report_loop(path: Path, start: np.ndarray) -> np.ndarray:
    """Count as the report does: a mask over all time bins for each fixation."""
    with h5py.File(path, "r") as file:
        raster = file[DATA][:].T
    bins = np.arange(raster.shape[1])
    return np.array([raster[:, (bins >= first) & (bins < first + WINDOW_MS)].sum(axis=1) for first in start])


def inflate(path: Path) -> tuple[list[bytes], int]:
    """Return the compressed chunks and the length of a column."""
    with h5py.File(path, "r") as file:
        data = file[DATA]
        return [data.id.read_direct_chunk((0, unit))[1] for unit in range(data.shape[1])], data.shape[0]


def floor(chunks: list[bytes], n_bins: int) -> None:
    """Inflate every chunk and discard it."""
    for chunk in chunks:
        deflate.zlib_decompress(chunk, n_bins)


def floor_and_pass(chunks: list[bytes], n_bins: int) -> None:
    """Inflate every chunk and scan each byte once (numpy's search for non-zero bytes)."""
    for chunk in chunks:
        np.flatnonzero(np.frombuffer(deflate.zlib_decompress(chunk, n_bins), np.uint8) != 0)


def measure(path: Path, start: np.ndarray, runs: int, peers: bool) -> dict:
    """Return seconds of every reader on one file."""
    expected = by_column(path, start)
    if not np.array_equal(ours(path, start), expected):
        raise SystemExit(f"{path}: counts differ from h5py's")
    chunks, n_bins = inflate(path)
    row = {
        "ours": best(lambda: ours(path, start), runs),
        "floor": best(lambda: floor(chunks, n_bins), runs),
        "floor and one pass": best(lambda: floor_and_pass(chunks, n_bins), runs),
        "h5py by column": best(lambda: by_column(path, start), max(runs // 4, 2)),
    }
    if peers:
        found = []
        row["pynwb and cumulative sum"] = best(lambda: found.append(with_pynwb(path, start)), 1)
        if not np.array_equal(found.pop(), expected):
            raise SystemExit(f"{path}: counts of pynwb differ from h5py's")
        few = start[:: len(start) // LOOPED]
        load = best(lambda: report_loop(path, start[:0]), 1)
        loop = best(lambda: report_loop(path, few), 1)
        row["the report's loop"] = load + (loop - load) * len(start) / len(few)
    return row


def show(title: str, rows: dict[str, dict]) -> None:
    """Print a table of seconds and of ratios to ours."""
    print(f"\n{title}")
    for name, row in rows.items():
        shown = [
            f"{what} {value:.3f} s" + (f" ({value / row['ours']:.1f}x)" if what != "ours" else "")
            for what, value in row.items()
        ]
        print(f"  {name:<22} " + "; ".join(shown))


def main(folder: Path) -> None:
    """Measure, print and write benchmarks/recordings.json."""
    rasters = rasters_in(folder)
    session = read_session(rasters.with_stem(rasters.stem + "_image"))
    once = np.rint(session.fixation_start * 1e3).astype(np.int64)
    sizes, units, fixations = {}, {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for times in TILES:
            path = Path(scratch) / "tiled.nwb"
            tile(rasters, path, times)
            with h5py.File(path, "r") as file:
                length = file[DATA].shape[0]
            start = np.concatenate([once + length // times * i for i in range(times)])
            sizes[f"{times} x ({length / 60e3:.0f} min)"] = measure(path, start, 9, peers=True)
            show("growth with time", {k: v for k, v in list(sizes.items())[-1:]})
        for n in UNITS:
            path = Path(scratch) / "units.nwb"
            tile(rasters, path, 1, n)
            units[f"{n} units"] = measure(path, once, 7, peers=False)
        rng = np.random.default_rng(0)
        end = min(3_380_000, inflate(rasters)[1] - WINDOW_MS)
        for n in FIXATIONS:
            start = np.sort(rng.integers(0, end, n))
            fixations[f"{n} fixations"] = measure(rasters, start, 7, peers=False)
    show("growth with time", sizes)
    show("growth with units", units)
    show("growth with fixations", fixations)
    result = {
        "machine": {"cpu": cpu(), "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()},
        "load_average": os.getloadavg()[0],
        "time": sizes,
        "units": units,
        "fixations": fixations,
        "note": f"processor seconds, minimum of several runs; the report's loop ran on {LOOPED} fixations, scaled up",
    }
    keep("recordings", result)


def cpu() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


if __name__ == "__main__":
    numerics.restart()
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else paths.RAW)
