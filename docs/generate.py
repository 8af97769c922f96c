"""Draw the pictures of the documentation and fill the table of parameters: ``python -m docs.generate``.

``path.svg`` shows the stages of ``dvc.yaml``, ``imports.svg`` the imports that the table of ``architecture.md`` states.
"""

import re
from html import escape
from pathlib import Path

import yaml

from analysis.core.files import write_text
from paper import blocks

DOCS = Path("docs")
PIPELINE = Path("dvc.yaml")
ARCHITECTURE = DOCS / "architecture.md"

PLACES = {
    "acquire": (0, 1),
    "stimuli": (1, 0),
    "recordings": (1, 2),
    "train": (2, 0),
    "activations": (3, 0),
    "neural": (2, 2),
    "compare": (4, 1),
    "seeds": (5, 2),
    "candidates": (2, 4),
    "audit": (5, 0),
    "explain": (3, 3),
    "timing": (4, 4),
    "summary": (6, 1),
    "figures": (7, 1.5),
    "report": (8, 1.5),
}
"""Column and row of each stage in the picture."""

STYLE = """<style>
text { font: 14px sans-serif; fill: #1f2933 } .small { font-size: 12px; fill: #52606d }
rect { fill: #eef4fb; stroke: #4a7fb5 } path { fill: none; stroke: #7b8794 } .rule { stroke: #e4e7eb }
circle { fill: #4a7fb5 } .page { fill: #ffffff; stroke: none }
</style>"""


def stages() -> dict[str, dict]:
    """Return the stages of ``dvc.yaml`` through which the data of the experiment flow.

    Without the check of parameters before them, and those of recorded data sets, which follow the same order.
    """
    found = yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))["stages"]
    return {name: entry for name, entry in found.items() if name != "check" and not name.startswith("recorded-")}


def followers(pipeline: dict[str, dict]) -> dict[str, set[str]]:
    """Return, for each stage, the stages that read one of its outputs."""
    outputs = {name: _paths(entry["outs"] + entry.get("metrics", [])) for name, entry in pipeline.items()}
    inputs = {name: _paths(entry["deps"]) for name, entry in pipeline.items()}
    return {
        name: {
            other
            for other, read in inputs.items()
            if other != name and any(_overlap(made, path) for made in outputs[name] for path in read)
        }
        for name in pipeline
    }


def _paths(entries: list[str]) -> list[Path]:
    """Return the paths of a stage; of a matrix, the folder that holds those of all its items."""
    named = [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]  # an output may have options
    return [Path(entry.partition("/${")[0]) for entry in named]


def _overlap(made: Path, read: Path) -> bool:
    return made.is_relative_to(read) or read.is_relative_to(made)


def reach(graph: dict[str, set[str]], start: set[str]) -> set[str]:
    """Return everything that can be reached from `start`, without `start` itself unless a path leads back."""
    found: set[str] = set()
    waiting = set(start)
    while waiting:
        waiting = set().union(*(graph[name] for name in waiting)) - found
        found |= waiting
    return found


def shortest(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the graph without the edges that a longer path makes superfluous."""
    return {name: after - reach(graph, after) for name, after in graph.items()}


def parameters() -> str:
    """Return the table of parameter groups: which stages read each, and which run again after a change."""
    pipeline = stages()
    graph = followers(pipeline)
    readers: dict[str, dict[str, list[str]]] = {}
    for name, entry in pipeline.items():
        for key in entry["params"]:
            group, _, part = re.sub(r"\$\{.*?\}", "*", key).partition(".")
            readers.setdefault(group, {}).setdefault(name, []).append(part)
    order = list(pipeline)
    rows = []
    for group, found in readers.items():
        direct = [name if "" in parts else f"{name} ({_code(parts)})" for name, parts in found.items()]
        later = sorted(reach(graph, set(found)) - set(found), key=order.index)
        rows.append([f"`{group}`", ", ".join(direct), ", ".join(later) or "none"])
    return blocks.table(["group", "stages that read it (or these of its values)", "stages after them"], rows)


def _code(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def draw_path() -> str:
    """Return the stages and their order as SVG."""
    width, height, step_x, step_y = 98, 34, 132, 60
    x = {name: 12 + column * step_x for name, (column, _) in PLACES.items()}
    y = {name: int(14 + row * step_y) for name, (_, row) in PLACES.items()}
    parts = []
    for name, after in shortest(followers(stages())).items():
        for other in sorted(after):
            x1, y1, x2, y2 = x[name] + width, y[name] + height / 2, x[other], y[other] + height / 2
            bend = min(60, (x2 - x1) / 2 + 8)
            curve = f"M{x1},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2 - 6},{y2:g}"
            parts.append(f'<path marker-end="url(#tip)" d="{curve}"/>')
    for name in PLACES:
        parts.append(f'<rect x="{x[name]}" y="{y[name]}" width="{width}" height="{height}" rx="6"/>')
        parts.append(f'<text x="{x[name] + width / 2:g}" y="{y[name] + 22}" text-anchor="middle">{name}</text>')
    return _svg(24 + 7 * step_x + width, 28 + 4 * step_y + height, "The stages in the order of the data", parts)


def packages(page: str) -> dict[str, tuple[str, set[str]]]:
    """Return what the table of the architecture states: by package its purpose and the packages it imports."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    return {name: (purpose, set(re.findall(r"`(\w+)`", imports))) for name, purpose, imports in rows}


def draw_imports(page: str) -> str:
    """Return the packages and their imports as SVG: a dot where the package of a line imports the one of a column."""
    table = packages(page)
    names, line, left = list(table), 26, 118
    top = 96
    x = {name: left + 14 + k * line for k, name in enumerate(names)}
    y = {name: top + k * line for k, name in enumerate(names)}
    right, bottom = left + line * len(names), top + line * len(names)
    parts = [f'<path class="rule" d="M{left},{y[name]} H{right}"/>' for name in names]
    parts += [f'<path class="rule" d="M{x[name]},{top - 12} V{bottom - 13}"/>' for name in names]
    for name, (purpose, imports) in table.items():
        parts.append(f'<text x="{left - 10}" y="{y[name] + 5}" text-anchor="end">{name}</text>')
        parts.append(f'<text transform="translate({x[name] + 4},{top - 18}) rotate(-50)">{name}</text>')
        words = escape(re.sub("[`*]", "", purpose))
        parts.append(f'<text class="small" x="{right + 16}" y="{y[name] + 5}">{words}</text>')
        parts.append(f'<rect x="{x[name] - 6}" y="{y[name] - 6}" width="12" height="12" rx="2"/>')
        parts += [f'<circle cx="{x[other]}" cy="{y[name]}" r="5"/>' for other in names if other in imports]
    longest = max(len(purpose) for purpose, _ in table.values())
    return _svg(right + 30 + 6 * longest, bottom, "Which package imports which", parts)


def _svg(width: int, height: int, title: str, parts: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">'
        f"\n<title>{title}</title>\n{STYLE}\n"
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="3" refY="3" orient="auto">'
        '<polygon points="0,0 6,3 0,6" fill="#7b8794"/></marker></defs>\n'
        f'<rect class="page" width="{width}" height="{height}"/>'
    )
    return "\n".join([head, *parts, "</svg>\n"])


def pictures() -> dict[Path, str]:
    """Return the text of both pictures by their paths."""
    page = ARCHITECTURE.read_text(encoding="utf-8")
    return {DOCS / "path.svg": draw_path(), DOCS / "imports.svg": draw_imports(page)}


if __name__ == "__main__":
    for path, text in pictures().items():
        write_text(path, text)
    blocks.fill({"parameters": parameters()})
