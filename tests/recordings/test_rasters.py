"""Spike counts against plain h5py and numpy, for any raster, window, chunking, filter and dtype."""

import deflate
import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis.core.errors import DataError
from analysis.recordings.rasters import nonzero, open_rasters, spikes_of

STAMP = "2022-01-05T17:39:29.000000-05:00"


def write(path, counts, **storage):
    with h5py.File(path, "w") as file:
        file.create_dataset("processing/ecephys/rasters/data", data=counts, **storage)
        names = np.array([str(i + 1) for i in range(counts.shape[1])], object)
        file.create_dataset("processing/ecephys/unit_names/unit_name", data=names, dtype=h5py.string_dtype())
        file["session_start_time"] = STAMP
    return path


def plain(path, unit, start, stop):
    """Count with h5py and numpy, window by window."""
    with h5py.File(path, "r") as file:
        column = file["processing/ecephys/rasters/data"][:, unit].astype(np.int64)
    length = len(column)
    return [int(column[max(a, 0) : max(min(b, length), 0)].sum()) if b > a else 0 for a, b in zip(start, stop)]  # noqa: B905


rasters = st.tuples(st.integers(1, 70), st.integers(1, 3)).flatmap(
    lambda shape: hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 0, 1, 1, 2, 255]))
)
windows = st.lists(st.tuples(st.integers(-10, 90), st.integers(-5, 90)), max_size=12)


@given(counts=rasters, pairs=windows, level=st.integers(1, 9))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_equal_plain_numpy(tmp_path, counts, pairs, level):
    path = write(tmp_path / "r.nwb", counts, chunks=(len(counts), 1), compression="gzip", compression_opts=level)
    start, stop = np.array(pairs, np.int64).reshape(-1, 2).T
    with open_rasters(path) as reader:
        assert reader._raw
        for unit in range(counts.shape[1]):
            spikes = reader.spikes(unit)
            assert spikes.total == counts[:, unit].sum()
            assert spikes.count(start, stop).tolist() == plain(path, unit, start, stop)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, ">u2", np.int32, np.uint64])
@pytest.mark.parametrize(
    ("fast", "storage"),
    [
        (True, {"chunks": (1000, 1), "compression": "gzip"}),
        (False, {"chunks": (1000, 1), "compression": "gzip", "shuffle": True}),
        (False, {"chunks": (1000, 1), "compression": "gzip", "fletcher32": True}),
        (False, {"chunks": (1000, 1), "compression": "lzf"}),
        (False, {"chunks": (1000, 1)}),
        (False, {"chunks": (128, 2), "compression": "gzip"}),
        (False, {"chunks": (1000, 4), "compression": "gzip"}),
        (False, {}),
    ],
)
def test_any_storage_gives_the_same_counts(tmp_path, dtype, fast, storage):
    rng = np.random.default_rng(7)
    counts = rng.poisson(0.05, (1000, 4)).astype(dtype)
    counts[:, 2] = 0
    path = write(tmp_path / "r.nwb", counts, **storage)
    start = rng.integers(-50, 1000, 60)
    stop = start + rng.integers(-20, 300, 60)
    with open_rasters(path) as reader:
        assert reader._raw is fast
        for unit in range(4):
            assert reader.spikes(unit).count(start, stop).tolist() == plain(path, unit, start, stop)


def test_chunk_never_written_is_empty(tmp_path):
    path = tmp_path / "r.nwb"
    write(path, np.ones((50, 2), np.uint8), chunks=(50, 1), compression="gzip")
    with h5py.File(path, "a") as file:
        del file["processing/ecephys/rasters/data"]
        data = file.create_dataset("processing/ecephys/rasters/data", (50, 2), "u1", chunks=(50, 1), compression="gzip")
        data[:, 0] = 1
    with open_rasters(path) as reader:
        assert [reader.spikes(unit).total for unit in range(2)] == [50, 0]


def test_chunk_stored_without_its_filter(tmp_path):
    path = tmp_path / "r.nwb"
    write(path, np.zeros((50, 2), np.uint8), chunks=(50, 1), compression="gzip")
    with h5py.File(path, "a") as file:
        file["processing/ecephys/rasters/data"].id.write_direct_chunk((0, 1), bytes([1] * 50), filter_mask=1)
    with open_rasters(path) as reader:
        assert [reader.spikes(unit).total for unit in range(2)] == [0, 50]


@pytest.mark.parametrize("chunk", [b"x\x9cnot deflate", b"x", None, "short"])
def test_damaged_chunk_names_file_and_unit(tmp_path, chunk):
    import zlib

    path = tmp_path / "r.nwb"
    write(path, np.zeros((5000, 2), np.uint8), chunks=(5000, 1), compression="gzip")
    whole = zlib.compress(bytes(5000))
    broken = {None: whole[:-1] + bytes([whole[-1] ^ 1]), "short": zlib.compress(bytes(4000))}.get(chunk, chunk)
    with h5py.File(path, "a") as file:
        file["processing/ecephys/rasters/data"].id.write_direct_chunk((0, 1), broken)
    with open_rasters(path) as reader:
        assert reader.spikes(0).total == 0
        with pytest.raises(DataError, match=r"r\.nwb.*unit '2'"):
            reader.spikes(1)


def test_a_chunk_too_short_for_what_it_claims_is_not_even_inflated(tmp_path, monkeypatch):
    path = write(tmp_path / "r.nwb", np.zeros((5000, 1), np.uint8), chunks=(5000, 1), compression="gzip")
    with h5py.File(path, "a") as file:
        file["processing/ecephys/rasters/data"].id.write_direct_chunk((0, 0), b"x\x9c01")
    monkeypatch.setattr(deflate, "zlib_decompress", lambda *_: pytest.fail("inflated"))
    with open_rasters(path) as reader, pytest.raises(DataError, match="unit '1' is truncated"):
        reader.spikes(0)


@given(column=hnp.arrays(np.uint8, st.integers(0, 100), elements=st.sampled_from([0, 0, 0, 1, 3])))
def test_nonzero_is_flatnonzero(column):
    np.testing.assert_array_equal(nonzero(column), np.flatnonzero(column))
    np.testing.assert_array_equal(nonzero(np.repeat(column, 2)[::2]), np.flatnonzero(column))


def test_only_the_bins_with_spikes_are_kept():
    column = np.zeros(1_000_000, np.uint8)
    column[[5, 999_999]] = 1, 2
    spikes = spikes_of(column)
    assert spikes.bins.tolist() == [5, 999_999]
    assert spikes.total == 3


def test_every_unit_of_the_real_recording(reference):
    path = reference / "000628/sub-An/sub-An_ses-20220105T173929.nwb"
    rng = np.random.default_rng(0)
    start = np.r_[rng.integers(0, 3_383_185, 2000), 0, 3_383_184, 3_383_100]
    stop = start + np.r_[rng.integers(0, 700, 2000), 1, 1, 500]
    with open_rasters(path) as reader, h5py.File(path, "r") as file:
        data = file["processing/ecephys/rasters/data"]
        for unit in range(reader.n_units):
            cumulative = np.r_[0, np.cumsum(data[:, unit], dtype=np.int64)]
            expected = cumulative[np.minimum(stop, len(data))] - cumulative[start]
            np.testing.assert_array_equal(reader.spikes(unit).count(start, stop), expected)
