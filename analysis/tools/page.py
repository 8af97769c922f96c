"""A page of plots of one recording: gaze, raster and PSTH, rate by category, repeatability."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.files import write_figure
from analysis.recordings.naming import STEM
from analysis.recordings.rasters import open_rasters
from analysis.recordings.read import selected
from analysis.stimuli.read import read_table
from analysis.tools.psth import TIMES_MS, WIDTH_MS, aligned_spikes, psth

GREY, BLUE, ORANGE = "#767676", "#0072B2", "#D55E00"
ROWS = 150
"""Maximum number of fixations in the raster."""


def draw(dataset: xr.Dataset, out: Path) -> None:
    """Write the page of a recording to `out` (PNG, PDF or SVG by its suffix).

    A panel whose files (images, rasters, categories) are missing says so.
    """
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    attrs = dataset.attrs
    figure.suptitle(f"{attrs['recording']} (monkey {attrs['subject']}, {attrs['session']})", fontsize=11)
    grid = figure.subplot_mosaic([["gaze", "raster", "category"], ["gaze2", "psth", "rsc"]])
    chosen = selected(dataset)
    _gaze(grid["gaze"], chosen, 0)
    _gaze(grid["gaze2"], chosen, 1)
    _raster_and_psth(grid["raster"], grid["psth"], chosen)
    _rate_by_category(grid["category"], chosen)
    _repeatability(grid["rsc"], dataset)
    kind = Path(out).suffix.removeprefix(".")
    # No date: the same recording gives the same bytes.
    metadata = {"Software": None} if kind == "png" else {"CreationDate" if kind == "pdf" else "Date": None}
    write_figure(out, figure, format=kind, dpi=150, metadata=metadata)


def _missing(axes, what: str) -> None:
    axes.text(0.5, 0.5, what, ha="center", va="center", transform=axes.transAxes, color=GREY, fontsize=8, wrap=True)
    axes.set_axis_off()


def _gaze(axes, chosen: xr.Dataset, rank: int) -> None:
    """Draw the fixations on the most fixated image (rank 0) or the next (1), connected in order within each trial."""
    stimulus = chosen["stimulus_id"].values.astype(str)
    images, counts = np.unique(stimulus, return_counts=True)
    if rank >= len(images):
        return _missing(axes, "no selected fixations")
    stem = images[np.argsort(-counts, kind="stable")[rank]]
    rows = np.flatnonzero(stimulus == stem)
    attrs = chosen.attrs
    half = [
        attrs[f"image_{side}_px"] / attrs[f"pixels_per_degree_{axis}"] / 2
        for side, axis in (("width", "x"), ("height", "y"))
    ]
    extent = (-half[0], half[0], -half[1], half[1])
    picture = find_image(stem)
    note = f"\n{picture}" if isinstance(picture, str) else ""
    if note:
        axes.add_patch(
            Rectangle((-half[0], -half[1]), *(2 * side for side in half), facecolor="#eeeeee", edgecolor=GREY)
        )
    else:
        axes.imshow(picture, extent=extent)
    for trial in np.unique(chosen["trial"].values[rows]):
        of_trial = rows[chosen["trial"].values[rows] == trial]
        x, y = chosen["x_dva"].values[of_trial], chosen["y_dva"].values[of_trial]
        axes.plot(x, y, "-", color="white", linewidth=1.6)
        axes.plot(x, y, "-", color=ORANGE, linewidth=0.7)
    zeroth = chosen["ordinal"].values[rows] == 0
    place = np.column_stack([chosen["x_dva"], chosen["y_dva"]])[rows]
    axes.scatter(*place[~zeroth].T, s=12, color=ORANGE, edgecolor="white", linewidth=0.4, zorder=3)
    axes.scatter(*place[zeroth].T, s=18, color=BLUE, marker="s", edgecolor="white", linewidth=0.4, zorder=3)
    axes.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", xlabel="dva")
    axes.set_title(f"gaze on {stem[:10]} (squares: zeroth){note}", fontsize=8)


def find_image(stem: str) -> Image.Image | str:
    """Return an image of the archive in data/raw/stimuli by stem, or why it is not available."""
    archives = sorted(paths.STIMULI_ARCHIVE.glob("*.zip"))
    if not archives:
        return "image not available"
    from analysis.core.images import decode
    from analysis.stimuli.archive import SplitZip

    try:
        with SplitZip(archives[0]) as archive:
            names = [name for name in archive.members if Path(name).stem == stem]
            return decode(archive.read(names[0])) if names else "image not in the archive"
    except DataError as error:
        return str(error)


def _raster_and_psth(top, bottom, chosen: xr.Dataset) -> None:
    """Draw the spikes of the most repeatable unit around fixation onsets, and the mean rate of each area."""
    session = chosen.attrs["session"]
    match = STEM.fullmatch(session)
    path = paths.DANDISET / f"sub-{match['subject']}" / f"{session}.nwb" if match else Path(session)
    if not path.is_file() or not chosen.sizes["fixation"]:
        for axes in (top, bottom):
            _missing(axes, f"rasters not available:\n{path.parent}/\n{path.name}")
        return
    rsc = np.nan_to_num(chosen["rsc_across_trials"].values, nan=-2)
    best, onset = int(np.argmax(rsc)), chosen["onset_ms"].values
    at = TIMES_MS
    with open_rasters(path) as rasters:
        every = max(len(onset) // ROWS, 1)
        rows = aligned_spikes(rasters.spikes(best), onset[::every][:ROWS], at[-1], at[-1])
        areas = chosen["region"].values
        mean = {}
        for area in dict.fromkeys(areas):
            units = np.flatnonzero((areas == area) & chosen["stable"].values)
            traces = [psth(rasters.spikes(unit), onset, at, WIDTH_MS, rasters.n_bins)[0] for unit in units]
            mean[area] = np.nanmean(traces, axis=0) if traces else np.full(len(at), np.nan)
    top.eventplot(rows, colors=GREY, linewidths=0.6, linelengths=0.9)
    top.axvline(0, color=ORANGE, linewidth=0.8)
    top.set(xlim=(at[0], at[-1]), ylabel="fixation")
    top.set_title(f"spikes of unit {chosen['unit'].values[best]} ({areas[best]}, RSC {rsc[best]:.2f})", fontsize=8)
    for area, trace in mean.items():
        bottom.plot(at, trace, label=f"{area}", linewidth=1.2)
    bottom.axvline(0, color=ORANGE, linewidth=0.8)
    bottom.legend(frameon=False, fontsize=7)
    bottom.set(xlim=(at[0], at[-1]), xlabel="ms from fixation onset", ylabel="spikes/s")
    bottom.set_title("mean over stable units and selected fixations", fontsize=8)


def _rate_by_category(axes, chosen: xr.Dataset) -> None:
    """Draw mean rates by image category, each unit relative to its own mean."""
    try:
        category = dict(read_table()[["stem", "category"]].itertuples(index=False))
    except DataError:
        return _missing(axes, "categories not available (stage stimuli)")
    of_fixation = np.array([category.get(stem, "?") for stem in chosen["stimulus_id"].values.astype(str)])
    rate = chosen["rate"].values[:, chosen["stable"].values]
    relative = rate / np.where(rate.mean(axis=0) > 0, rate.mean(axis=0), np.nan)
    names = [name for name in np.unique(of_fixation) if (of_fixation == name).sum() >= 5]
    values = [np.nanmean(relative[of_fixation == name], axis=0) for name in names]
    values = [value[np.isfinite(value)] for value in values]
    axes.boxplot(values, orientation="horizontal", widths=0.6, showfliers=False, medianprops={"color": ORANGE})
    axes.axvline(1, color=GREY, linewidth=0.8)
    axes.set_yticks(range(1, len(names) + 1), [f"{n} ({(of_fixation == n).sum()})" for n in names], fontsize=7)
    axes.set_xlabel("rate relative to the unit's mean")
    axes.set_title("rate by image category (stable units; fixations)", fontsize=8)


def _repeatability(axes, dataset: xr.Dataset) -> None:
    """Draw the histogram of RSC over units."""
    values = {"all pairs": dataset["rsc"].values, "across trials": dataset["rsc_across_trials"].values}
    finite = np.concatenate([value[np.isfinite(value)] for value in values.values()])
    if not len(finite):
        return _missing(axes, "too few pairs of fixations")
    edges = np.linspace(min(finite.min(), 0), max(finite.max(), 0.1), 25)
    for (label, value), colour in zip(values.items(), (GREY, BLUE), strict=True):
        axes.hist(value[np.isfinite(value)], edges, histtype="stepfilled", alpha=0.5, color=colour, label=label)
    axes.axvline(0.1, color=ORANGE, linewidth=0.8)
    axes.legend(frameon=False, fontsize=7)
    axes.set(xlabel="return-fixation self-consistency", ylabel="units")
    axes.set_title("repeatability (line: visually selective from here)", fontsize=8)
