"""Mutated recordings: ``python fuzz.py FIRST LAST`` runs the cases of these seeds and prints a line for each.

A case spoils a small recording in one to three ways and turns it into a table. It passes if that ends in a
`DataError` of one line that names the file, or in the table that a plain loop over the same files gives.
"""

import sys
import tempfile
import time
import traceback
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]

sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "recordings")]

from conftest import Pair, write_annotations  # noqa: E402
from plain import RASTER, check  # noqa: E402

from analysis.core.errors import DataError  # noqa: E402
from analysis.params.protocol import PROTOCOLS  # noqa: E402
from analysis.recordings import netcdf  # noqa: E402
from analysis.recordings.annotations import Annotations  # noqa: E402
from analysis.recordings.build import Processing  # noqa: E402
from analysis.recordings.naming import Files  # noqa: E402
from analysis.recordings.stage import write_recording  # noqa: E402

TABLES = ("intervals/trials", "intervals/presentations", "processing/behavior/fixations")


def datasets(file):
    found = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return sorted(found)


def pick(rng, items):
    return items[int(rng.integers(len(items)))]


def replace(file, name, values, **kwargs):
    attrs = dict(file[name].attrs)
    del file[name]
    data = file.create_dataset(name, data=values, **kwargs)
    data.attrs.update(attrs)


def truncate(rng, main, rasters):
    path = pick(rng, (main, rasters))
    path.write_bytes(path.read_bytes()[: int(rng.integers(0, path.stat().st_size))])


def flip_bytes(rng, main, rasters):
    path = pick(rng, (main, rasters))
    content = bytearray(path.read_bytes())
    for place in rng.integers(0, len(content), int(rng.integers(1, 17))):
        content[place] ^= int(rng.integers(1, 256))
    path.write_bytes(content)


def blank_block(rng, main, rasters):
    path = pick(rng, (main, rasters))
    content = bytearray(path.read_bytes())
    start = int(rng.integers(0, len(content)))
    content[start : start + int(rng.integers(1, 600))] = (
        b""[:0] if rng.random() < 0.2 else bytes(int(rng.integers(1, 600)))
    )
    path.write_bytes(content)


def on_main(change):
    def mutate(rng, main, _rasters):
        with h5py.File(main, "a") as file:
            change(rng, file)

    mutate.__name__ = change.__name__
    return mutate


def on_either(change):
    def mutate(rng, main, rasters):
        with h5py.File(pick(rng, (main, rasters)), "a") as file:
            change(rng, file)

    mutate.__name__ = change.__name__
    return mutate


@on_either
def missing_dataset(rng, file):
    del file[pick(rng, datasets(file))]


@on_either
def missing_group(rng, file):
    name = pick(rng, datasets(file))
    while "/" in name and rng.random() < 0.7:
        name = name.rpartition("/")[0]
    del file[name]


@on_either
def wrong_shape(rng, file):
    name = pick(rng, datasets(file))
    values = file[name][()]
    if np.ndim(values) == 0:
        values = np.array([values, values])
    else:
        values = pick(rng, (values[:-1], np.repeat(values, 2, axis=0), values[:, None], values[:0], values[..., 0]))
    replace(file, name, values)


@on_either
def wrong_type(rng, file):
    name = pick(rng, datasets(file))
    values = np.asarray(file[name][()])
    if values.dtype.kind in "OS":
        replace(file, name, np.zeros(values.shape))
    else:
        replace(file, name, values.astype(pick(rng, ("f4", "f8", "i1", "u8", ">i4", "S5", "c16"))))


@on_either
def extra_tables(rng, file):
    for i in range(int(rng.integers(1, 4))):
        file[f"intervals/extra{i}/start_time"] = rng.random(5)
    file[f"processing/ecephys/more{int(rng.integers(9))}"] = np.zeros((3, 3))


@on_main
def not_numbers(rng, file):
    name = f"{pick(rng, TABLES)}/{pick(rng, ('start_time', 'stop_time'))}"
    values = file[name][()].astype(float)
    values[int(rng.integers(len(values)))] = pick(rng, (np.nan, np.inf, -np.inf, 1e300, -5.0))
    replace(file, name, values)


@on_main
def gaze_lost(rng, file):
    name = f"processing/behavior/fixations/{pick(rng, 'xy')}"
    values = file[name][()]
    values[int(rng.integers(len(values)))] = pick(rng, (np.nan, np.inf, 1e12))
    replace(file, name, values)


@on_main
def unsorted_fixations(rng, file):
    order = rng.permutation(len(file["processing/behavior/fixations/x"]))
    for column in list(file["processing/behavior/fixations"]):
        name = f"processing/behavior/fixations/{column}"
        replace(file, name, file[name][()][order])


@on_main
def other_trial_ids(rng, file):
    name = pick(
        rng,
        ("intervals/trials/id", "intervals/presentations/trial_id", "processing/behavior/fixations/trial_id"),
    )
    values = file[name][()]
    values[int(rng.integers(len(values)))] = pick(rng, (0, 1, 10, 11, 12, 13, 99, -1, 2**40))
    replace(file, name, values)


@on_main
def negative_durations(rng, file):
    table = pick(rng, TABLES)
    row = int(rng.integers(len(file[f"{table}/stop_time"])))
    values = file[f"{table}/stop_time"][()]
    values[row] = file[f"{table}/start_time"][row] - pick(rng, (1e-6, 0.1, 3.0))
    replace(file, f"{table}/stop_time", values)


@on_main
def moved_times(rng, file):
    name = f"{pick(rng, TABLES)}/{pick(rng, ('start_time', 'stop_time'))}"
    values = file[name][()]
    values[int(rng.integers(len(values)))] += rng.normal(0, 0.3)
    replace(file, name, values)


@on_main
def other_images(rng, file):
    name = "stimulus/presentation/presentations/data"
    values = file[name][()].astype(np.int64)
    values[int(rng.integers(len(values)))] = pick(rng, (0, 1, 2, -1, 2**40))
    replace(file, name, values)


@on_either
def not_utf8(rng, file):
    names = [name for name in datasets(file) if file[name].dtype.kind == "O"]
    if names:
        name = pick(rng, names)
        values = np.atleast_1d(file[name][()])
        replace(file, name, np.array([bytes([0xC3, 0x28, 0xFF]) + value for value in values], "S80"))


def raster_content(rng, _main, rasters):
    with h5py.File(rasters, "a") as file:
        chunk = pick(rng, (b"x", rng.bytes(40), b"x\x9c" + rng.bytes(60)))
        file[RASTER].id.write_direct_chunk((0, int(rng.integers(file[RASTER].shape[1]))), chunk)


def raster_storage(rng, _main, rasters):
    with h5py.File(rasters, "a") as file:
        values = file[RASTER][()]
        storage = pick(
            rng,
            (
                {},
                {"chunks": (500, 2)},
                {"chunks": (len(values), 1), "compression": "gzip", "shuffle": True},
                {"chunks": (len(values), 1), "compression": "lzf"},
                {"chunks": (len(values), 1), "compression": "gzip", "fletcher32": True},
            ),
        )
        replace(file, RASTER, values.astype(pick(rng, ("u1", "u2", "i4", ">u2", "f4", "?"))), **storage)


def raster_length(rng, _main, rasters):
    with h5py.File(rasters, "a") as file:
        values = file[RASTER][()]
        values = pick(rng, (values[: int(rng.integers(0, len(values)))], np.concatenate([values, values]), values.T))
        replace(file, RASTER, values)


def raster_attributes(rng, _main, rasters):
    with h5py.File(rasters, "a") as file:
        start = file["processing/ecephys/rasters/starting_time"]
        change = pick(rng, ("rate", "unit", "start"))
        if change == "rate":
            start.attrs["rate"] = pick(rng, (1000.0, 500.0, np.nan, "x"))
        elif change == "unit":
            file[RASTER].attrs["unit"] = pick(rng, ("volts", b"\xff", 3))
        else:
            start[()] = pick(rng, (0.5, np.nan, -1.0))


MUTATIONS = (
    truncate, flip_bytes, flip_bytes, flip_bytes, blank_block, missing_dataset, missing_group, wrong_shape, wrong_type,
    extra_tables, not_numbers, gaze_lost, unsorted_fixations, other_trial_ids, negative_durations, moved_times,
    other_images, not_utf8, raster_content, raster_storage, raster_length, raster_attributes,
)  # fmt: skip


def case(seed, folder):
    """Run one case; return what happened, starting with FAIL where it must not."""
    rng = np.random.default_rng(seed)
    main, rasters = Pair().write(folder)
    chosen = []
    for _ in range(int(rng.integers(1, 4))):
        mutate = pick(rng, MUTATIONS)
        try:
            mutate(rng, main, rasters)
        except (OSError, KeyError, ValueError, RuntimeError, IndexError, TypeError, OverflowError):
            break  # an earlier mutation left nothing for this one
        chosen.append(mutate.__name__)
    what, corrected = "+".join(chosen), bool(seed % 3)
    tables = Annotations(folder).of("An220105")
    files, out = Files("An220105", "An", main, rasters), folder / "out.nc"
    protocol = PROTOCOLS["corrected" if corrected else "report"]
    try:
        write_recording(files, tables, folder / "ROIs", Processing(protocol, permutations=9), out)
    except DataError as error:
        message = str(error)
        if "\n" in message or not any(name in message for name in (main.name, rasters.name, "An220105")):
            return f"FAIL {what}: unclear: {message!r}"
        return f"FAIL {what}: left a file" if out.exists() else f"error {what}: {message}"
    except Exception:
        return f"FAIL {what}: {traceback.format_exc()!r}"
    try:
        check(netcdf.read(out, "run it"), main, rasters, tables, corrected)
    except Exception:
        return f"FAIL {what}: differs from the plain loop: {traceback.format_exc()!r}"
    return f"table {what}"


def main(first, last):
    for seed in range(first, last):
        with tempfile.TemporaryDirectory() as folder:
            write_annotations(Path(folder))
            start = time.monotonic()
            print(seed, case(seed, Path(folder)), f"[{time.monotonic() - start:.2f} s]", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
