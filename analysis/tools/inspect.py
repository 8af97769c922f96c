"""Summarise one recording in the terminal and on a page of plots."""

from pathlib import Path

import numpy as np
import xarray as xr

from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.files.claim import claim
from analysis.recordings import face_selectivity
from analysis.recordings.read import find_recording, open_recording

SUFFIXES = (".png", ".pdf", ".svg")
STEPS = {"in_file": "in the file", "labelled": "in trials with an image", "on_image": "on the image"}


def inspect(recording: str, plot: bool, out: Path | None, protocol: str | None = None, force: bool = False) -> None:
    """Print a summary of a recording; with `plot`, also draw a page of plots (by default ``<recording>.png`` here).

    `force` lets the page replace a file. Raises `DataError` if there is no such recording, an option would have no
    effect, or the page may not be written to `out`.
    """
    if not plot and (out or force):
        what = f"--out {out}" if out else "--force"
        raise DataError(f"{what} only applies with --plot")
    path = find(recording, protocol)
    if out:
        claim(out, suffixes=SUFFIXES, inputs=[path], force=force)
    dataset = open_recording(path)
    if plot and not _free(dataset):
        raise DataError(f"{path} is not a free-viewing recording: omit --plot")
    print("\n".join(summary(dataset)))
    if plot:
        from analysis.tools.page import draw

        out = out or Path(f"{dataset.attrs['recording']}.png")
        claim(out, suffixes=SUFFIXES, inputs=[path], force=force)
        draw(dataset, out)
        print(f"\nwrote {out}")


def find(recording: str, protocol: str | None) -> Path:
    """Return the file of a recording given by path, or by name under a protocol (None: corrected).

    Raises `DataError` if there is no such recording, or if a protocol is given for a file, which already has one.
    """
    if not recording.endswith(".nc"):
        return find_recording(recording, protocol or "corrected")
    if protocol is not None:
        raise DataError(f"--protocol {protocol} applies only to recordings given by name; {recording} is a file")
    return Path(recording)


def summary(dataset: xr.Dataset) -> list[str]:
    """Return the lines of the one-screen summary."""
    if not _free(dataset):
        return _presented(dataset)
    attrs = dataset.attrs
    counts = [f"{attrs[f'fixations_{step}']} {words}" for step, words in STEPS.items()]
    rules = ", ".join(f"{rule} {attrs[rule]}" for rule in ("join", "fixations", "response", "latency", "stability"))
    width = attrs["image_width_px"] / attrs["pixels_per_degree_x"]
    height = attrs["image_height_px"] / attrs["pixels_per_degree_y"]
    used = dataset["selected"].values
    zeroth = (dataset["ordinal"].values == 0) & used
    duration = (dataset["offset_ms"] - dataset["onset_ms"]).values[used]
    stable, selective = int(dataset["stable"].sum()), int(dataset["visually_selective"].sum())
    all_pairs, across = (dataset[name].attrs["pairs"] for name in ("rsc", "rsc_across_trials"))
    lines = [
        f"{attrs['recording']}   monkey {attrs['subject']}, {attrs['session']}, {attrs['duration_ms'] / 60e3:.1f} min",
        f"rules      {rules}",
        f"images     {attrs['n_images']} of {width:.1f} x {height:.1f} dva, {attrs['n_presentations']} presentations",
        f"fixations  {', '.join(counts)}, {attrs['fixations_selected']} selected",
        f"           used here: {used.sum()}, of them {zeroth.sum()} zeroth; median {_median(duration):.0f} ms",
        f"units      {dataset.sizes['unit']}, {stable} stable, {selective} visually selective",
        f"pairs      {all_pairs} of fixations on one image at most 1 dva apart, {across} of them across trials",
        "",
        "area   units  stable  latency ms  spikes/s  RSC all  RSC across  selective    FSI  face-selective",
    ]
    return lines + [_area_line(dataset, area) for area in AREAS if (dataset["region"] == area).any()]


def _free(dataset: xr.Dataset) -> bool:
    return "join" in dataset.attrs


def _presented(dataset: xr.Dataset) -> list[str]:
    """Return the summary of a recording from a fixating monkey, or with unknown gaze."""
    attrs, lines = dataset.attrs, []
    for area in dict.fromkeys(dataset["region"].values.tolist()):
        units = dataset.isel(unit=dataset["region"].values == area)
        rate = _median(units["rate"].values.mean(axis=0))
        lines.append(f"{area:<6} {units.sizes['unit']:>5} {int(units['stable'].sum()):>7} {rate:>9.1f}")
    return [
        f"{attrs['recording']}   monkey {attrs['subject']}",
        f"images     {len(np.unique(dataset['stimulus_id']))}, {dataset.sizes['fixation']} presentations,"
        f" {int(dataset['selected'].sum())} selected",
        f"units      {dataset.sizes['unit']}, {int(dataset['stable'].sum())} stable",
        "",
        f"area   units  stable  {dataset['rate'].attrs.get('units', 'response')}",
        *lines,
    ]


def _area_line(dataset: xr.Dataset, area: str) -> str:
    units = dataset.isel(unit=dataset["region"].values == area)
    tested = np.isfinite(units["fsi"].values)
    faces = int((units["fsi"].values >= face_selectivity.FACE_SELECTIVE).sum())
    faces = f"{faces} of {tested.sum()}" if tested.any() else "unlabelled"
    return (
        f"{area:<6} {units.sizes['unit']:>5} {int(units['stable'].sum()):>7} {_median(units['latency_ms']):>11.0f}"
        f" {_median(units['overall_rate']):>9.1f} {_median(units['rsc']):>8.3f}"
        f" {_median(units['rsc_across_trials']):>11.3f} {int(units['visually_selective'].sum()):>10}"
        f" {_median(units['fsi']):>6.2f} {faces:>15}"
    )


def _median(values) -> float:
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")
