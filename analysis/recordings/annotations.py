"""The authors' csv files: areas, eye-tracker latencies, unit latencies and receptive fields."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.reading import damaged, reading

DEFAULT_LATENCY_MS = {"V1": 40, "V2": 40, "V4": 50, "PIT": 65, "CIT": 80, "AIT": 100}
"""Response latency of a unit without an entry, by its area (Xiao et al. 2024, imputation of latencies)."""
MIN_LATENCY_MS = 40
"""Shorter latencies are raised to this before use (Xiao et al. 2024, script 2d)."""


@dataclass(frozen=True)
class RecordingTables:
    """Entries of the csv files for one recording."""

    name: str
    banks: dict[int, str]
    """Area of each bank of 32 electrodes, in the order of the table."""
    tracker_latency_ms: float
    latency_ms: dict[str, float]
    """Fixation-on latency by unit name, as published (not yet clipped)."""
    rf: dict[str, tuple[float, float, float]]
    """Receptive field by unit name: x, y (relative to the gaze) and radius in dva."""

    def region(self, unit: str, bank: int) -> str:
        """Return the area of a unit by the bank of its electrode."""
        if bank not in self.banks:
            listed = ", ".join(map(str, self.banks))
            raise DataError(f"{self.name}: unit {unit!r} is on bank {bank}; bank_array_regions.csv lists {listed}")
        return self.banks[bank]


FILES = {
    "bank_array_regions.csv": ["Session", "Bank", "Region"],
    "sess_rig_info.csv": ["Name", "Eye tracker", "Rig"],  # "None" is the name of a tracker here, not a missing value
    "rig_eye_latency.csv": ["Rig", "Tracker", "Latency"],
    "per_unit_latency-fix_on.csv.gz": ["Session", "Name", "Latency"],
    "per_unit_rf.csv.gz": ["Session", "Name", "x", "y", "r"],
}


AGAIN = "fetch the published annotations"


class Annotations:
    """The csv files, read once for all recordings."""

    def __init__(self, folder: Path):
        folder = Path(folder)
        folder = folder / "db" if (folder / "db").is_dir() else folder
        self.folder = folder
        self._units: pd.DataFrame | None = None
        read = [_read(folder / name, columns) for name, columns in FILES.items()]
        self._banks, self._rigs, self._trackers, self._latency, self._rf = read
        unknown = sorted(set(self._banks["Region"]) - set(AREAS))
        if unknown:
            raise DataError(f"{folder / 'bank_array_regions.csv'}: unknown area {unknown[0]!r}; use {', '.join(AREAS)}")

    @property
    def files(self) -> list[Path]:
        """The csv files that are read."""
        return [self.folder / name for name in FILES]

    @property
    def names(self) -> list[str]:
        """Names of all recordings in the area table."""
        return self._banks["Session"].unique().tolist()

    def unit_names(self, name: str) -> set[str]:
        """Return the names of a recording's units in ``units.csv.gz``; none where there is no such file."""
        path = self.folder / "units.csv.gz"
        if self._units is None:
            self._units = (
                _read(path, ["Session", "Name"]) if path.is_file() else pd.DataFrame(columns=["Session", "Name"])
            )
        return set(self._units.loc[self._units["Session"] == name, "Name"])

    def of(self, name: str) -> RecordingTables:
        """Return the entries for one recording.

        Raises `DataError` if the area table or the rig table lacks the recording, or an entry is not a number.
        """
        banks = self._banks[self._banks["Session"] == name]
        if banks.empty:
            raise DataError(f"recording {name} is not in {self.folder / 'bank_array_regions.csv'}; add its banks there")
        latency = self._latency[self._latency["Session"] == name]
        rf = self._rf[self._rf["Session"] == name]
        try:
            return RecordingTables(
                name=name,
                banks=dict(zip(banks["Bank"].astype(int), banks["Region"], strict=True)),
                tracker_latency_ms=self._tracker_latency(name),
                latency_ms=dict(zip(latency["Name"], latency["Latency"].astype(float), strict=True)),
                rf=dict(
                    zip(rf["Name"], rf[["x", "y", "r"]].astype(float).itertuples(index=False, name=None), strict=True)
                ),
            )
        except ValueError as error:
            raise DataError(f"{self.folder}: rows of {name} contain a non-numeric value: {error}") from error

    def _tracker_latency(self, name: str) -> float:
        """Return the lag of the eye tracker in ms, by rig and last word of the tracker's name."""
        rig = self._rigs[self._rigs["Name"] == name]
        if rig.empty:
            raise DataError(f"recording {name} is not in {self.folder / 'sess_rig_info.csv'}; add rig and eye tracker")
        number, tracker = rig.iloc[0]["Rig"], rig.iloc[0]["Eye tracker"].split(" ")[-1]
        row = self._trackers[(self._trackers["Rig"] == number) & (self._trackers["Tracker"] == tracker)]
        if row.empty:
            raise DataError(f"{self.folder / 'rig_eye_latency.csv'}: no latency for rig {number}, tracker {tracker!r}")
        return float(row.iloc[0]["Latency"])


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read columns of a csv file as text and check that it has them."""
    with reading(path, AGAIN):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in columns:
        if column not in table.columns:
            raise damaged(path, f"no column {column}", AGAIN)
    return table[columns]
