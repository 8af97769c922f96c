"""The page for people who would rather look than read: one file that works without a network (stage ``report``)."""

import base64
import importlib
import json
from html import escape
from pathlib import Path
from string import Template

import matplotlib
import numpy as np
import pandas as pd

from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.paths import FIGURES
from paper import example, style
from paper.draw import plots_for
from paper.plots import rdms
from paper.results import Results

TEMPLATES = Path("paper/page")
OUTPUT = Path("paper/report.html")
TITLE = "Does a network trained on faces represent images as macaque visual cortex does?"

MOST_IMAGES = 240
"""Images of an RDM that can be explored at most; of more, every so many-th in the order of the categories is shown."""

SOURCES = {
    "simulated": (
        "Simulated data",
        "Every number and picture below is of a simulated experiment with known truth, not of animals. It shows what "
        "the method recovers, and says nothing about the brain.",
    ),
    "real": ("Recorded data", "The recordings are those of Xiao et al. 2024 (DANDI 000628)."),
}
"""What the page says of its data, by source."""

SAID = 7
"""Missing things named before the rest is left out."""

COLUMNS = {
    "model": "model",
    "protocol": "protocol",
    "layer": "layer",
    "recording": "recording",
    "region": "area",
    "split": "split",
    "n": "images",
    "n_images": "images",
    "n_units": "units",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "median_r2": "median r²",
    "rho": "ρ",
    "ci_low": "interval from",
    "ci_high": "to",
    "ceiling_lower": "ceiling from",
    "ceiling_upper": "to",
    "median_ceiling": "median ceiling",
    "median_ev_normalised": "normalised",
    "recordings": "recordings",
    "p_max": "p, corrected for all",
    "p_bh": "false discovery rate",
}
"""Columns of the tables of scores as the page names them; a table shows those it has, in this order."""


def build(found: Results, made_of: dict) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    found : Results
    made_of : dict
        State of code and data (`paper.provenance.made_of`).

    Raises
    ------
    DataError
        If a figure or a template is missing.
    """
    source, words = SOURCES[found.source]
    if lost := found.summary["missing"]:
        words += f" Not everything was at hand: {', '.join(lost[:SAID])}" + (", ..." if len(lost) > SAID else "") + "."
    sections, data = _sections(found)
    return _fill(
        "page.html",
        title=escape(TITLE),
        subtitle="The report “Neural Neural Networks”, rerun and corrected: its figures, scores and dissimilarities "
        "and one recording, to look at and to try.",
        css=_template("page.css"),
        js=_template("page.js"),
        source=source,
        source_words=escape(words),
        contents="".join(f'<li><a href="#{key}">{escape(name)}</a></li>' for key, (name, _) in sections.items())
        + '<li><a href="#made">How this page was made</a></li>',
        body="\n".join(
            f'<section aria-labelledby="{key}">\n<h2 id="{key}">{escape(name)}</h2>\n{body}\n</section>'
            for key, (name, body) in sections.items()
        ),
        colophon=_colophon(made_of),
        data=json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    )


def _sections(found: Results) -> tuple[dict[str, tuple[str, str]], dict]:
    """Return the parts of the page (name and HTML by key) and the data that its script reads."""
    sections: dict[str, tuple[str, str]] = {}
    data: dict = {}
    first = found.roles()["first"]
    if first is None:
        sections["scores"] = ("Scores", "<p>No model could be compared with what was at hand.</p>")
    else:
        pictures = example.Pictures()
        opened = found.rdms(first)
        sections["scores"] = ("Scores", _answer(found, first) + _tables(found))
        sections["explore"] = ("Explore the dissimilarities", _rdm_html(first, opened.attrs, found.source))
        data["rdm"] = _rdm_data(opened, pictures)
        try:
            data["example"] = example.example(opened.attrs["recording"], pictures)
            sections["recording"] = ("Gaze and spikes", _example_html(data["example"], found.source))
        except DataError as error:
            sections["recording"] = (
                "Gaze and spikes",
                f"<p>The example recording is not at hand: {escape(str(error))}.</p>",
            )
    sections["figures"] = ("Figures", _figures(found))
    return sections, data


# --- scores --------------------------------------------------------------------------------------


def _answer(found: Results, first: str) -> str:
    """Say in two sentences what the first network scores in the latest area, and what pixels do."""
    area = max(found.layers.region[found.layers.model == first].unique(), key=AREAS.index)
    scores = found.scores(first, area)
    low, middle, high, ceiling = map(_number, (scores.ci_low, scores.median_r2, scores.ci_high, scores.median_ceiling))
    words = (
        f"The top layer of the {style.name(first)} explains a median r² of {middle} in {area} "
        f"(95 % interval {low} to {high}, n = {scores.n_units} units); the noise of the recordings allows {ceiling}."
    )
    baseline = found.roles()["baseline"]
    if baseline and (other := found.scores(baseline, area)):
        words += f" The {style.name(baseline)} explain {_number(other.median_r2)}."
    return f"<p>{escape(words)}</p>"


def _tables(found: Results) -> str:
    tops = found.layers[[found.top(row.model) == row.layer for row in found.layers.itertuples()]]
    tested = found.tests[[found.top(row.model) == row.layer for row in found.tests.itertuples()]]
    similar = found.rsa[[found.top(row.model) == row.layer for row in found.rsa.itertuples()]]
    parts = [
        ("predictivity", "Single units", "Explained variance of single units by the top layer of each model.", tops),
        (
            "geometry",
            "Geometry",
            "Spearman's ρ between the RDMs of model and recording.",
            similar,
        ),
        ("chance", "Against chance", "Mean ρ over recordings, against permutations of the images.", tested),
        ("task", "The task", "Faces told from other images; intervals are Wilson's.", found.accuracy),
        ("layers", "All layers", "Explained variance of single units by every layer.", found.layers),
    ]
    return "\n".join(_table(*part) for part in parts)


def _table(key: str, heading: str, caption: str, table: pd.DataFrame) -> str:
    columns = [name for name in COLUMNS if name in table]
    text = {name for name in columns if not pd.api.types.is_numeric_dtype(table[name])}
    head = "".join(
        f'<th scope="col"{" class=text" if name in text else ""}>{escape(COLUMNS[name])}</th>' for name in columns
    )
    rows = "\n".join(
        "<tr>" + "".join(_cell(name, row[name], name in text) for name in columns) + "</tr>"
        for row in table[columns].to_dict("records")
    )
    choice = ""
    if "region" in columns:
        options = "".join(f"<option>{area}</option>" for area in AREAS if area in set(table["region"]))
        choice = (
            f'<div class="controls"><label for="{key}-area">Area</label><select id="{key}-area" '
            f'data-filter="{key}-table" data-column="{columns.index("region")}"><option value="">all</option>{options}'
            "</select></div>"
        )
    return (
        f'<h3 id="{key}">{escape(heading)}</h3>{choice}\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(heading)}">'
        f'<table class="sortable" id="{key}-table">'
        f"<caption><span>{escape(caption)} Intervals are at 95 %.</span></caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _cell(column: str, value, text: bool) -> str:
    if text:
        shown = style.name(value) if column == "model" else str(value)
        return f"<td class=text>{escape(shown)}</td>"
    if pd.isna(value):
        return '<td data-v="">–</td>'
    if column.startswith("n") or column == "recordings":
        shown = f"{int(value)}"
    else:
        shown = _number(value, 4 if column.startswith("p_") else 3)
    return f'<td data-v="{float(value):.6g}">{shown}</td>'


def _number(value: float, digits: int = 3) -> str:
    return "–" if pd.isna(value) else f"{value:.{digits}f}".replace("-", "−")


# --- dissimilarities -----------------------------------------------------------------------------


def _rdm_html(model: str, attrs: dict, source: str) -> str:
    return _fill(
        "rdm.html",
        rho=_number(attrs["rho"]),
        ramp=", ".join(matplotlib.colors.to_hex(matplotlib.colormaps["cividis"](k / 8)) for k in range(9)),
        model=escape(f"{style.name(model)}, layer {attrs['layer']}"),
        neural=escape(f"{attrs['n_units']} units of {attrs['region']}, recording {attrs['recording']}"),
        source=SOURCES[source][0],
    )


def _rdm_data(opened, pictures: example.Pictures) -> dict:
    """Return both RDMs in the order of the categories, as bytes: percentile (255 is none) and thousandths."""
    order, _, _ = rdms.by_category(opened["category"].values.astype(str))
    order = order[:: -(-len(order) // MOST_IMAGES)]
    category = opened["category"].values.astype(str)[order]
    starts = [0, *(np.flatnonzero(category[1:] != category[:-1]) + 1).tolist()]
    stems = opened["stem"].values.astype(str)[order].tolist()
    data: dict = {
        "category": [example.category_name(name) for name in category],
        "starts": starts,
        "sprite": example.sprite(stems, pictures),
        "across": example.ACROSS,
        "palette": _base64(
            (matplotlib.colormaps["cividis"](np.linspace(0, 1, 255))[:, :3] * 255).round().astype(np.uint8)
        ),
    }
    for name in ("model", "neural"):
        rdm = opened[f"{name}_rdm"].values[np.ix_(order, order)]
        shown = rdms.percentiles(rdm)
        data[name] = {
            "percentile": _base64(
                np.where(np.isfinite(shown), np.rint(2.54 * np.nan_to_num(shown)), 255).astype(np.uint8)
            ),
            "thousandths": _base64(np.rint(1000 * np.nan_to_num(rdm)).astype("<i2")),
        }
    return data


def _base64(values: np.ndarray | bytes) -> str:
    return base64.b64encode(bytes(values) if isinstance(values, bytes) else values.tobytes()).decode()


# --- gaze and spikes -----------------------------------------------------------------------------


def _example_html(shown: dict, source: str) -> str:
    return _fill(
        "recording.html",
        recording=escape(shown["recording"]),
        source_words="simulated" if source == "simulated" else "recorded",
        units=len(shown["units"]),
        areas=", ".join(dict.fromkeys(unit["area"] for unit in shown["units"])),
        source=SOURCES[source][0],
    )


# --- figures and colophon ------------------------------------------------------------------------


def _figures(found: Results) -> str:
    try:
        texts = json.loads((FIGURES / "alt.json").read_text(encoding="utf-8"))
        sources = json.loads((FIGURES / "sources.json").read_text(encoding="utf-8"))
        return "\n".join(_figure(name, draw, texts[name], sources[name]) for name, draw in plots_for(found).items())
    except (OSError, KeyError) as error:
        raise DataError(f"paper/figures is not whole ({error}): run the stage figures (dvc repro figures)") from error


def _figure(name: str, draw, alt: str, sources: list[str]) -> str:
    svg = (FIGURES / f"{name}.svg").read_bytes()
    width = float(svg.split(b'width="', 1)[1].split(b"pt", 1)[0]) * 25.4 / 72
    caption = importlib.import_module(draw.__module__).__doc__.strip().splitlines()[0]
    read = ", ".join(f"<code>results/{escape(source)}</code>" for source in sources)
    module = draw.__module__.replace(".", "/")
    shape = "page" if width > style.COLUMN + 5 else "column"
    return (
        f'<figure class="{shape}" id="figure-{name}"><div class="wide"><img alt="{escape(alt)}" '
        f'src="data:image/svg+xml;base64,{_base64(svg)}"></div><figcaption>{escape(caption)} '
        f'<span class="note">Drawn by <code>{module}.py</code> from {read}.</span></figcaption></figure>'
    )


def _colophon(made_of: dict) -> str:
    trees = ", ".join(f"<code>{folder}/</code> <code>{tree}</code>" for folder, tree in made_of["trees"].items())
    return _fill("made.html", trees=trees, manifest=made_of["manifest"])


def _fill(template: str, **values) -> str:
    return Template(_template(template)).substitute(values)


def _template(name: str) -> str:
    try:
        return (TEMPLATES / name).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{TEMPLATES / name} cannot be read ({error.strerror}); git restores it") from error
