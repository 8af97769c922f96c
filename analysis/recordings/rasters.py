"""Spike rasters: count spikes in windows, straight from the compressed columns of the file.

A raster has one chunk per unit, (T milliseconds, 1 unit). Columns are decompressed one at a time and reduced to the
bins with spikes, so memory is bounded by one column, not by time x units.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import deflate
import h5py
import numpy as np

from analysis.core.errors import DataError
from analysis.recordings.main_file import MAX_SECONDS, dataset, open_nwb, reading, text, texts

DATA = "processing/ecephys/rasters/data"
UNIT_NAMES = "processing/ecephys/unit_names/unit_name"
MAX_RATIO = 1032
"""Largest compression ratio of DEFLATE; a chunk that implies more is damaged."""
PUBLISHED_RATES = (0.001, 1000.0)
"""Sampling rates in the files: 0.001 in all published ones (wrong, the bins are 1 ms), 1000 if corrected."""


@dataclass(frozen=True)
class Spikes:
    """The bins of one unit that contain spikes."""

    bins: np.ndarray  # (n,) int64, increasing: bin k is [k, k + 1) ms
    cumulative: np.ndarray | None  # (n + 1,) int64: spikes in the first k of these bins; None if each holds one

    @property
    def total(self) -> int:
        """Number of spikes."""
        return len(self.bins) if self.cumulative is None else int(self.cumulative[-1])

    def count(self, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Return the number of spikes in the bins start <= k < stop (whole milliseconds), for arrays of any shape.

        Windows may overlap, reach beyond the recording (no spikes there) or be empty.
        """
        first, last = np.searchsorted(self.bins, start), np.searchsorted(self.bins, stop)
        if self.cumulative is not None:
            first, last = self.cumulative[first], self.cumulative[last]
        return np.maximum(last - first, 0)


def spikes_of(column: np.ndarray) -> Spikes:
    """Return the spikes of one column of a raster, shape (T,)."""
    bins = nonzero(column)
    counts = column[bins]
    if (counts == 1).all():
        return Spikes(bins, None)
    cumulative = np.zeros(len(bins) + 1, np.int64)
    np.cumsum(counts, out=cumulative[1:])
    return Spikes(bins, cumulative)


def nonzero(column: np.ndarray) -> np.ndarray:
    """Return the indices of the non-zero entries; bytes are tested eight at a time, since few contain spikes."""
    whole = len(column) // 8 * 8
    if column.dtype.itemsize != 1 or not column.flags.c_contiguous or not whole:
        return np.flatnonzero(column)
    words = column[:whole].view(np.uint64)
    full = np.flatnonzero(words != 0)
    byte = np.flatnonzero(words[full].view(np.uint8) != 0)  # eight entries for each full word
    bins = (full << 3)[byte >> 3] + (byte & 7)
    return np.concatenate([bins, whole + np.flatnonzero(column[whole:])])


class Rasters:
    """The open raster file of a recording."""

    def __init__(self, file: h5py.File):
        self.path = Path(file.filename)
        with reading(self.path):
            self._data = dataset(file, DATA)
            self.names = texts(file, UNIT_NAMES)
            self.start_time = text(file, "session_start_time")
            self._check(file)
            self.n_bins, self.n_units = self._data.shape
            self._raw = self._is_plain_gzip()

    def _check(self, file: h5py.File) -> None:
        data = self._data
        if data.ndim != 2 or data.dtype.kind not in "iu":
            raise DataError(f"{self.path}: {DATA} has shape {data.shape}, type {data.dtype}: not counts (time, units)")
        if data.shape[0] > MAX_SECONDS * 1000:
            raise DataError(f"{self.path}: {DATA} claims {data.shape[0]} ms, more than a day; fetch the file again")
        if data.shape[1] != len(self.names):
            raise DataError(f"{self.path}: {data.shape[1]} raster columns but {len(self.names)} unit names")
        unit = data.attrs.get("unit", "count")
        unit = unit.decode("utf-8", "replace") if isinstance(unit, bytes) else unit
        if unit != "count":
            raise DataError(f"{self.path}: {DATA} is in {unit!r}, not in counts")
        seen = set()
        for name in self.names:
            if name in seen:
                raise DataError(f"{self.path}: duplicate unit name {str(name)!r}")
            if not re.search(r"\d", name):
                raise DataError(f"{self.path}: unit name {str(name)!r} has no electrode number")
            seen.add(name)
        start = file.get("processing/ecephys/rasters/starting_time")
        if isinstance(start, h5py.Dataset):
            rate = float(start.attrs.get("rate", PUBLISHED_RATES[0]))
            if float(start[()]) != 0 or rate not in PUBLISHED_RATES:
                raise DataError(
                    f"{self.path}: rasters start at {start[()]} s with rate {rate}, not at 0 s in 1 ms bins"
                )

    def _is_plain_gzip(self) -> bool:
        """Return whether the fast path applies: one gzip chunk per unit and no other filter."""
        plist = self._data.id.get_create_plist()
        return (
            self.n_bins > 0
            and self._data.chunks == (self.n_bins, 1)
            and plist.get_nfilters() == 1
            and plist.get_filter(0)[0] == h5py.h5z.FILTER_DEFLATE
        )

    def column(self, unit: int) -> np.ndarray:
        """Return the counts of one unit in 1 ms bins, shape (T,)."""
        with reading(self.path):
            column = self._inflate(unit) if self._raw else None
            return self._data[:, unit] if column is None else column

    def _inflate(self, unit: int) -> np.ndarray | None:
        """Inflate the stored chunk of a unit; None if it is stored in another way."""
        try:
            mask, chunk = self._data.id.read_direct_chunk((0, unit))
        except (RuntimeError, OSError):
            return None  # a chunk that was never written: h5py supplies the fill value
        size = self.n_bins * self._data.dtype.itemsize
        if mask:
            return None
        if size > MAX_RATIO * len(chunk):
            raise DataError(f"{self.path}: chunk of unit {str(self.names[unit])!r} is truncated; fetch the file again")
        try:
            column = np.frombuffer(deflate.zlib_decompress(chunk, size), self._data.dtype)
        except deflate.DeflateError as error:
            raise DataError(f"{self.path}: chunk of unit {str(self.names[unit])!r} damaged; fetch it again") from error
        if len(column) != self.n_bins:
            raise DataError(f"{self.path}: unit {str(self.names[unit])!r} has {len(column)} bins, not {self.n_bins}")
        return column

    def spikes(self, unit: int) -> Spikes:
        """Return the spikes of one unit. Raises `DataError` if the column is damaged or holds negative counts."""
        spikes = spikes_of(self.column(unit))
        if spikes.cumulative is not None and (np.diff(spikes.cumulative) < 0).any():
            raise DataError(f"{self.path}: unit {str(self.names[unit])!r} has negative counts")
        return spikes


@contextmanager
def open_rasters(path: Path) -> Iterator[Rasters]:
    """Open the raster file of a recording.

    Raises `DataError` if the file is damaged, the raster is not counts over (time, units), or the unit names do not
    match its columns.
    """
    with open_nwb(path) as file:
        yield Rasters(file)
