"""Run the notebook's cells in order, as a kernel would: ``python -m tests.notebook FOLDER``."""

import json
import os
import sys
from pathlib import Path

from tests.project import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def read_cells() -> list[str]:
    """Return the code of the notebook, a text per cell."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def execute(folder: Path) -> dict:
    """Run all cells in one namespace with `folder` as the working folder; return the namespace."""
    import matplotlib

    matplotlib.use("agg")
    names: dict = {"__name__": "__main__"}
    back = Path.cwd()
    os.chdir(folder)
    try:
        for number, source in enumerate(read_cells(), 1):
            exec(compile(source, f"{NOTEBOOK.name}, cell {number}", "exec"), names)
    finally:
        os.chdir(back)
    return names


def main(folder: str) -> None:
    """Run the notebook; exit unless its figure has a panel for each area, with a point for each model."""
    names = execute(Path(folder))
    panels = names["figure"].axes
    shown = [len(panel.lines[0].get_xdata()) for panel in panels]
    if len(panels) != names["scores"].shape[1] or set(shown) != {len(names["models"])} or names["contrasts"].empty:
        sys.exit(f"the notebook drew {len(panels)} panels with {shown} points")
    print(f"notebook: {len(panels)} areas, {len(names['models'])} models")


if __name__ == "__main__":
    main(sys.argv[1])
