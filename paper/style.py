"""The style of all figures: sizes in mm, type, colours that colour-blind readers can tell apart, and names of models.

Figures are SVG with glyphs as outlines: they look the same in every viewer, and the same matplotlib writes the same
bytes on every machine.
"""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from analysis.core.areas import AREAS
from analysis.core.files import write_bytes

COLUMN, PAGE = 84.0, 174.0
"""Widths of a figure in mm: one column of the paper, and both."""

INK, GREY, PALE = "#1a1a1a", "#767676", "#d9d9d9"

# Okabe and Ito's colours without yellow, which is too light for thin lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHED = (0, (4, 3))
"""Line style of zero and of chance."""

AREA_COLOURS = dict(zip(AREAS, ("#440154", "#3b528b", "#21918c", "#5ec962", "#E69F00", "#D55E00"), strict=True))

NAMES = {
    "hmo": "HMO",
    "hmo_report": "report HMO",
    "as_reported": "report HMO, as reported",
    "simple_cnn": "plain CNN",
    "resnet": "residual network",
    "vit": "vision transformer",
    "gabor": "Gabor filters",
    "category": "category ideal observer",
    "hmo_untrained": "untrained report HMO",
    "pixels": "pixels",
    "efficientnet": "EfficientNet-Lite0",
}
"""Names of the models: HMO is that of Yamins et al. (2014), the report HMO the report's simplification."""

_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 7.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "mathtext.fontset": "dejavusans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.0,
    "lines.markersize": 4.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "image.interpolation": "none",
    "savefig.dpi": 300,
    "svg.fonttype": "path",
    "svg.hashsalt": "figures",
}


@contextmanager
def applied() -> Iterator[None]:
    """Draw in this style within the block, and ignore the machine's matplotlibrc."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of `width` x `height` mm that lays out its axes itself."""
    return Figure(figsize=(width / 25.4, height / 25.4), layout="constrained")


def save(drawn: Figure, path: str | os.PathLike) -> None:
    """Write `drawn` as SVG, whole or not at all."""
    write_bytes(path, as_svg(drawn))


def as_svg(drawn: Figure) -> bytes:
    """Return `drawn` as SVG without date or version."""
    _settle(drawn)
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _settle(drawn: Figure) -> None:
    """Lay out the axes, and the parts of the figure that hold them, once, at rounded positions.

    The layout solver sums in an order that changes from run to run, so that its positions differ by up to its
    tolerance, 1e-8. This would reach the file through the names of clipping paths, which are hashes of positions.
    The rounding is coarse, so that hardly any position lies so near the middle between two rounded ones.
    """
    FigureCanvasSVG(drawn)  # text is measured as it will be written
    drawn.draw_without_rendering()
    drawn.set_layout_engine("none")
    _round_parts(drawn)
    for axes in drawn.axes:
        position = axes.get_position(original=True)
        axes.set_position(np.round(position.bounds, 3))


def _round_parts(whole: Figure | SubFigure) -> None:
    for part in whole.subfigs:
        part.bbox_relative.set_points(np.round(part.bbox_relative.get_points(), 3))
        _round_parts(part)


def name(model: str) -> str:
    """Return the name of a model as the paper writes it."""
    return NAMES.get(model, model.replace("_", " "))


def in_order(models: Iterable[str]) -> list[str]:
    """Return models in the order of `NAMES`; others come last, by name."""
    known = list(NAMES)
    return sorted(set(models), key=lambda model: (known.index(model) if model in known else len(known), model))


def colour(model: str, models: list[str]) -> str:
    """Return the colour of a model: by its index among all models, so that it is the same in every figure."""
    return COLOURS[models.index(model) % len(COLOURS)]


def marker(model: str, models: list[str]) -> str:
    """Return the marker of a model, so that colour is never the only cue: no two of 36 models share both."""
    index = models.index(model)
    return MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]


def colour_of(model: str) -> str:
    """Return the colour of a model: by its place in `NAMES`, so that it is the same in every figure of the paper."""
    return COLOURS[_place(model) % len(COLOURS)]


def marker_of(model: str) -> str:
    """Return the marker of a model: no two of the named models share both colour and marker."""
    return MARKERS[(_place(model) + _place(model) // len(COLOURS)) % len(MARKERS)]


def _place(model: str) -> int:
    known = list(NAMES)
    return known.index(model) if model in known else len(known)


def jitter(values: np.ndarray) -> np.ndarray:
    """Return an offset from -0.5 to 0.5 for each value, set by its rank, so that points separate without randomness."""
    # The golden ratio puts values of neighbouring rank far apart.
    return (np.argsort(np.argsort(values, kind="stable"), kind="stable") * 0.618034) % 1 - 0.5


def model_rows(panels, models: list[str]) -> None:
    """Label one row per model on the first of `panels`, which share their vertical axis, and rule between rows."""
    for axes, text in zip(panels, "abcdefgh", strict=False):
        label_rows(axes, models)
        letter(axes, text)


def label_rows(axes, models: list[str]) -> None:
    """Label one row per model, and rule between rows."""
    axes.set_yticks(range(len(models)), [name(model) for model in models])
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for row in range(1, len(models)):
        axes.axhline(row - 0.5, color=PALE, linewidth=0.4, zorder=0)


def entry(marker: str, label: str, **properties) -> Line2D:
    """Return a legend entry of one marker."""
    return Line2D([], [], marker=marker, linestyle="none", label=label, **properties)


def letter(axes, text: str) -> None:
    """Put a bold panel letter above the upper left corner of `axes`."""
    axes.annotate(
        text,
        (0, 1),
        xytext=(-4, 4),
        textcoords="offset points",
        xycoords="axes fraction",
        ha="right",
        va="bottom",
        fontsize=9,
        fontweight="bold",
    )


BOTH = "both"
"""Source of a figure that shows simulated data and, in panels that say so, recorded data."""
STAMPS = {
    "simulated": "simulated data",
    "real": "recorded data",
    BOTH: "simulated data, but for panels marked recorded",
}


def stamp(drawn: Figure, source: str) -> None:
    """State in the figure itself whether its data are simulated: figures are copied without their captions."""
    line = 3 / (drawn.get_figheight() * 25.4)  # 3 mm at the bottom, kept free of axes
    drawn.get_layout_engine().set(rect=(0, line, 1, 1 - line))
    drawn.text(0.995, 0.2 * line, STAMPS[source], ha="right", va="bottom", fontsize=6, color=GREY, fontstyle="italic")
