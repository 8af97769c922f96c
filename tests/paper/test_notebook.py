"""The notebook is stored without outputs and goes from the results to its figure."""

import json

import numpy as np
import pandas as pd
import pytest

from tests import notebook


def test_it_is_stored_without_outputs():
    stored = json.loads(notebook.NOTEBOOK.read_text())
    assert stored["nbformat"] == 4
    code = [cell for cell in stored["cells"] if cell["cell_type"] == "code"]
    assert len(code) >= 4
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_its_figure_shows_the_results(project):
    (project / "docs").mkdir()
    names = notebook.execute(project / "docs")  # a notebook starts in its own folder
    layers = pd.read_csv(project / "results/layers.csv")
    for panel, area in zip(names["figure"].axes, names["areas"], strict=True):
        rows = layers[(layers.layer == "best") & (layers.region == area)].set_index("model").loc[names["models"]]
        np.testing.assert_array_equal(panel.lines[0].get_xdata(), rows.r_corrected)


def test_a_cell_that_fails_is_named(project):
    (project / "results/contrasts.csv").unlink()
    with pytest.raises(FileNotFoundError) as error:
        notebook.execute(project)
    assert "notebook.ipynb, cell 4" in {
        frame.path if isinstance(frame.path, str) else str(frame.path) for frame in error.traceback
    }
