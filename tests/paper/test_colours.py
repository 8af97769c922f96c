"""Colours that tell things apart in a figure stay apart for colour-blind viewers."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from paper import draw, results, style
from paper.claims import build as claims
from tests.paper.vision import DEFICIENCIES, distance

APART = 10.0
"""Least difference (CIE 1976) of two colours that nothing else tells apart: about four just noticeable ones (2.3)."""


@pytest.fixture(scope="module")
def figures(drawn):
    """The figures of the fabricated results, by name."""
    with pytest.MonkeyPatch.context() as patch, style.applied():
        patch.chdir(drawn)
        found = results.read("results")
        said = claims.work_out(found)
        return {name: plot(found, said)[0] for name, plot in draw.plots_for(found).items()}


def test_distances_are_those_of_known_colours():
    assert distance("black", "white", "none") == pytest.approx(100, abs=0.01)
    assert distance("#ff0000", "#00ff00", "none") == pytest.approx(170.6, abs=0.1)  # Lab 53, 80, 67 and 88, -86, 83
    for deficiency in DEFICIENCIES:
        assert distance("#777777", "#777777", deficiency) == 0
        assert distance("black", "white", deficiency) == pytest.approx(100, abs=0.1)  # grey stays grey
    assert distance("#ff0000", "#8a7a00", "deuteranopia") < 40 < distance("#ff0000", "#8a7a00", "none")


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_models_that_share_a_marker_have_colours_apart(deficiency):
    for one, other in combinations(style.NAMES, 2):
        if style.marker_of(one) == style.marker_of(other):
            assert distance(style.colour_of(one), style.colour_of(other), deficiency) >= APART, (one, other)


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_what_has_one_shape_in_a_panel_has_colours_apart(figures, deficiency):
    for name, figure in figures.items():
        for axes in figure.axes:
            for shape, colours in _by_shape(axes).items():
                for one, other in combinations(sorted(colours), 2):
                    assert distance(one, other, deficiency) >= APART, (name, axes.get_title(), shape, one, other)


def _by_shape(axes) -> dict:
    """Return the colours of what a panel draws, by marker and filling, or as bars."""
    found: dict = {}
    for line in axes.lines:
        if (marker := line.get_marker()) not in ("None", "", None, " "):
            face = line.get_markerfacecolor()
            filled = to_hex(face) != "#ffffff"
            colour = line.get_markerfacecolor() if filled else line.get_markeredgecolor()
            found.setdefault((marker, filled), set()).add(to_hex(colour))
    for patch in axes.patches:
        if isinstance(patch, Rectangle) and patch.get_facecolor()[3] > 0:
            found.setdefault("bar", set()).add(to_hex(patch.get_facecolor()))
    for points in axes.collections:
        if isinstance(points, PathCollection):
            paths = tuple(np.round(points.get_paths()[0].vertices.ravel(), 3))
            found.setdefault(paths, set()).update(to_hex(colour) for colour in points.get_facecolors())
    return found


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_verdicts_categories_and_labels_have_colours_apart(deficiency):
    pairs = [(colour, style.GREY) for colour in style.COLOURS[:2]]  # a contribution, or an interval that holds zero
    pairs += [(style.INK, style.GREY), (style.GREY, style.PALE), (style.PALE, "white"), style.COLOURS[:2]]
    for one, other in pairs:
        assert distance(one, other, deficiency) >= APART, (one, other)


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize(("name", "steps"), [("cividis", 8), ("RdBu_r", 8)])
def test_steps_of_the_colour_maps_stay_apart(deficiency, name, steps):
    import matplotlib

    shades = [to_hex(matplotlib.colormaps[name](at)) for at in np.linspace(0, 1, steps)]
    for one, other in combinations(shades, 2):
        assert distance(one, other, deficiency) >= APART, (one, other)
