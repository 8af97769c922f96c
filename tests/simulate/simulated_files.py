"""Readers of the simulated files that share no code with the analysis."""

import csv
import gzip
import io
import struct
import zlib
from pathlib import Path

import h5py

from analysis.simulate.sessions import PLAN

BY_NAME = {s.name: s for s in PLAN}


def rows(path):
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return list(csv.DictReader(io.StringIO(text)))


def main_file(raw, name):
    return h5py.File(raw / "dandiset" / f"{BY_NAME[name].header.stem}_image.nwb")


def raster_file(raw, name):
    return h5py.File(raw / "dandiset" / f"{BY_NAME[name].header.stem}.nwb")


def table(file, path):
    return {k: v[()] for k, v in file[path].items()}


def members(raw):
    """Names and contents of the archive, joined by hand: volumes one after another, data found by local headers."""
    volumes = [*sorted((raw / "stimuli").glob("Stimuli.z[0-9]*")), raw / "stimuli" / "Stimuli.zip"]
    data, place, found = b"".join(v.read_bytes() for v in volumes), 4, {}
    while data[place : place + 4] == b"PK\x03\x04":
        method, packed, n = struct.unpack("<8xH8xI4xH2x", data[place : place + 30])
        name, body = data[place + 30 : place + 30 + n].decode(), data[place + 30 + n : place + 30 + n + packed]
        found[name] = zlib.decompress(body, -15) if method == 8 else body
        place += 30 + n + packed
    return found


def stems_shown(raw, name):
    with main_file(raw, name) as file:
        return {Path(p.decode()).stem for p in file["stimulus/templates/stimuli/external_file"][()]}


def annotated_stems(raw):
    regions = raw / "annotations/db/ROIs/Stimuli"
    return {Path(r["Filename"]).stem for r in rows(regions / "face.csv")} | {p.stem for p in regions.glob("*/*")}


def latency_table(raw):
    return raw / "annotations/db/per_unit_latency-fix_on.csv.gz"
