"""Write annotation tables and region masks like those in the authors' repository, and the report's list of faces."""

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from analysis.core.files import write_bytes, write_csv, write_text
from analysis.simulate.responses.neurons import Unit
from analysis.simulate.scenes import Scene
from analysis.simulate.sessions import BANK_CHANNELS, RIGS, Session

REPORT_MASKS = ("face", "occluded_face", "other_face", "primate_face")
"""Mask folders whose file names the report took for names of face images."""


def write_tables(folder: Path, sessions: list[Session], units: dict[str, list[Unit]]) -> None:
    """Write the tables of sessions and units to `folder` (``annotations/db``)."""
    names = [s.name for s in sessions]
    write_text(folder / "sessions.txt", "".join(f"{n}\n" for n in names))
    # The published table is unordered: the first row of a recording is not its lowest bank.
    banks = [
        (s.name, bank, bank + 1, "R" if s.subject == "Mo" else "L", region)
        for s in sessions[::-1]
        for bank, region in enumerate(s.regions)
    ]
    _csv(folder / "bank_array_regions.csv", ["Session", "Bank", "Array ID", "Hemisphere", "Region"], banks)
    rigs = [(s.name, *RIGS[s.rig][:4]) for s in sessions]
    _csv(folder / "sess_rig_info.csv", ["Name", "Screen res", "Eye tracker", "MLVersion", "Rig"], rigs)
    latencies = sorted({(rig, tracker.split()[-1], ms) for _, tracker, _, rig, ms in RIGS.values()}, key=str)
    _csv(folder / "rig_eye_latency.csv", ["Rig", "Tracker", "Latency"], latencies)
    rows = [(s, u) for s in sessions for u in units[s.name]]
    channel = {id(u): int("".join(c for c in u.name if c.isdigit())) for _, u in rows}
    _csv(
        folder / "units.csv.gz",
        ["Session", "Name", "Channel", "Bank", "Array ID"],
        [(s.name, u.name, channel[id(u)], (channel[id(u)] - 1) // BANK_CHANNELS, u.bank + 1) for s, u in rows],
    )
    _csv(
        folder / "per_unit_latency-fix_on.csv.gz",
        ["Session", "Name", "Latency", "Boots. stdev.", "Source"],
        [(s.name, u.name, u.table_latency_ms, 8.3, "Unit") for s, u in rows if u.table_latency_ms is not None],
    )
    _csv(
        folder / "per_unit_rf.csv.gz",
        ["Session", "Name", "x", "y", "r", "Source"],
        [(s.name, u.name, u.x, u.y, u.radius, "Unit") for s, u in rows],
    )
    for name, every in (("visually", 1), ("fixation", 2)):
        chosen = [(s.name, u.name) for i, (s, u) in enumerate(rows) if i % every == 0]
        _csv(folder / "unit_sel" / f"{name}_selective.csv.gz", ["Session", "Unit"], chosen)


def write_regions(folder: Path, scenes: list[Scene], names: list[str], regions: list[bytes], report: Path) -> None:
    """Write boxes and masks of faces to `folder` (``annotations/db/ROIs/Stimuli``), and the report's list ``face.csv``.

    `names` are the file names of the images, `regions` their regions as packed bits, row by row.
    """
    boxes, listed = [], []
    for scene, name, packed in zip(scenes, names, regions, strict=True):
        if not scene.annotated or scene.category == "object":
            continue
        width, height = scene.size
        region = np.unpackbits(np.frombuffer(packed, np.uint8), count=width * height).reshape(height, width)
        if scene.boxed:
            boxes.append((name, *_box(region, scene)))
            listed.append(boxes[-1])
            continue
        for category in scene.category.split("+"):
            mask = f"{Path(name).stem}.{scene.mask_extension}"
            _write_mask(folder / category / mask, region, colour=scene.index % 3 == 0)
            if category in REPORT_MASKS:
                listed.append((mask, 0.0, 0.0, 0.0, 0.0, float(width), float(height)))
    columns = ["Filename", "x", "y", "w", "h", "W", "H"]
    _csv(folder / "face.csv", columns, boxes)
    unique = {row[0]: row for row in listed}
    _csv(report, columns, list(unique.values()))


def _box(region: np.ndarray, scene: Scene) -> tuple[float, ...]:
    """Return corner and size of the region's box, and the size of the picture to which they refer.

    Published boxes refer to pictures of a different size than the image (W x H), and must be scaled.
    """
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not len(rows):
        rows, columns = np.array([0]), np.array([0])
    width, height = scene.size
    scale_x, scale_y = ((1.0, 1.0), (1.5, 2.0), (2.0, 2.0))[scene.index % 3]
    x, y = columns[0] * scale_x, rows[0] * scale_y
    w, h = (columns[-1] - columns[0] + 1) * scale_x, (rows[-1] - rows[0] + 1) * scale_y
    return tuple(float(round(v)) for v in (x, y, w, h, width * scale_x, height * scale_y))


def _write_mask(path: Path, region: np.ndarray, *, colour: bool) -> None:
    image = Image.fromarray((region * 255).astype(np.uint8))
    image = image.convert("RGB") if colour else image
    data = io.BytesIO()
    image.save(data, format="JPEG" if path.suffix == ".jpg" else "PNG")
    write_bytes(path, data.getvalue())


def write_similar(path: Path, scenes: list[Scene], names: list[str]) -> None:
    """Write one group of near-duplicates per line, file names separated by tabs."""
    groups: dict[int, list[str]] = {}
    for scene, name in zip(scenes, names, strict=True):
        groups.setdefault(scene.original, []).append(name)
    lines = ["\t".join(group) for group in groups.values() if len(group) > 1]
    write_text(path, "".join(f"{line}\n" for line in lines))


def write_scenes(path: Path, scenes: list[Scene], names: list[str]) -> None:
    """Write the content of every image (``truth/scenes.csv``)."""
    rows = [
        {
            "stem": Path(name).stem,
            "category": s.category,
            "kind": s.kind,
            "identity": s.identity,
            "pose": round(s.yaw, 6),
        }
        | {key: round(getattr(s, key), 6) for key in ("pitch", "light", "clutter")}
        | {key: round(getattr(s, key), 3) for key in ("x", "y", "half_height")}
        | {"annotated": s.annotated, "original": Path(names[s.original]).stem}
        for s, name in zip(scenes, names, strict=True)
    ]
    write_csv(path, pd.DataFrame(rows))


def _csv(path: Path, columns: list[str], rows: list[tuple]) -> None:
    """Write a table, compressed if its name ends in .gz; without a time stamp, so equal tables give equal bytes."""
    table = pd.DataFrame(rows, columns=columns)
    if path.suffix != ".gz":
        write_csv(path, table)
        return
    text = io.StringIO()
    table.to_csv(text, index=False, lineterminator="\n")
    write_bytes(path, gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))
