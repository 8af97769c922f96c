"""The paper as a PDF: archival and tagged, no small text, no label on another, figures at their own width."""

import json
import math
import re
from itertools import combinations
from pathlib import Path

import pypdf
import pytest

from paper import style
from tests.paper.prose import PAPERS
from tests.paper.test_figures import drawn_labels
from tests.paper.test_report import built  # noqa: F401 - the fixture

SMALLEST = 6.0
"""Points."""
POINTS = 72 / 25.4
"""In a millimetre."""


def font_sizes(pdf: Path) -> dict[float, str]:
    """Return the font sizes of a PDF in points, each with a text set in it."""
    found: dict[float, str] = {}

    def visit(text, ctm, matrix, _font, size) -> None:
        if text.strip():
            c, d = matrix[2] * ctm[0] + matrix[3] * ctm[2], matrix[2] * ctm[1] + matrix[3] * ctm[3]
            found.setdefault(round(abs(size) * math.hypot(c, d), 2), text.strip())

    for page in pypdf.PdfReader(pdf).pages:
        page.extract_text(visitor_text=visit)
    return found


@pytest.mark.parametrize("pdf", PAPERS)
def test_no_text_is_set_smaller_than_it_can_be_read(built, pdf):  # noqa: F811
    sizes = font_sizes(built / pdf)
    assert 10.0 in sizes  # the text
    assert 8.0 in sizes  # captions
    assert min(sizes) >= SMALLEST, sizes[min(sizes)]


def test_figures_are_printed_at_their_own_width(drawn):
    for path in (drawn / "paper/figures").glob("*.svg"):
        width = float(re.search(r'<svg [^>]*width="([\d.]+)pt"', path.read_text())[1])
        assert any(width == pytest.approx(known * POINTS, abs=0.1) for known in (style.COLUMN, style.PAGE)), path.name


def test_no_label_stands_on_another(project):
    for name, _, texts in drawn_labels():
        upright = {t: t.get_window_extent() for t in texts if t.get_rotation() % 90 == 0}
        for one, other in combinations(upright, 2):
            a, b = upright[one], upright[other]
            across, down = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
            assert min(across, down) <= 1, f"{name}: {one.get_text()!r} and {other.get_text()!r}"


def test_the_pdf_is_archival_tagged_and_dated_by_us(built):  # noqa: F811
    reader = pypdf.PdfReader(built / "paper/report.pdf")
    meta = reader.xmp_metadata.rdf_root.toxml()
    assert re.search(r"pdfaid:part>2<.*pdfaid:conformance>A<", meta)
    assert "pdfuaid:part>1<" in meta
    assert reader.metadata.title.startswith("Does a network trained on faces")
    assert reader.metadata.creation_date.year == 2026
    assert str(reader.trailer["/Root"]["/Lang"]).startswith("en")
    assert 2 <= len(reader.pages) <= 8


def test_every_figure_of_the_paper_has_its_alternative_text(built):  # noqa: F811
    texts = json.loads((built / "paper/figures/alt.json").read_text())
    found = {
        " ".join(str(alt).split())
        for paper in PAPERS
        for alt in _alternatives(pypdf.PdfReader(built / paper).trailer["/Root"]["/StructTreeRoot"])
    }
    for name, text in texts.items():
        assert " ".join(text.split()) in found, name


def _alternatives(node):
    node = node.get_object()
    if isinstance(node, list):
        for child in node:
            yield from _alternatives(child)
    elif isinstance(node, dict):
        if "/Alt" in node:
            yield node["/Alt"]
        if "/K" in node:
            yield from _alternatives(node["/K"])
