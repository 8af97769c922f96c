import json
import shutil

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from analysis import params
from analysis.core.errors import DataError
from analysis.summary.seeds import summarise
from paper import draw, results, style
from paper.claims import build as claims
from paper.plots import rdms

SHOWN = (
    "question",
    "predictivity",
    "geometry",
    "layers",
    "units",
    "validation",
    "similarity",
    "beyond_label",
    "read_out",
)
"""Figures of results without candidates, audit and explanations."""
WIDTH_IN_PRINT = 1.0
"""Figures are printed at their own width."""


def run():
    draw.run(params.load())


def test_every_figure_is_drawn_with_a_text_that_holds_its_numbers(project):
    texts = json.loads((project / "paper/figures/alt.json").read_text())
    drawn = {path.stem for path in (project / "paper/figures").glob("*.svg")}
    assert drawn == set(SHOWN) == set(texts)
    accuracy = pd.read_csv("results/accuracy.csv").query("split == 'test' and model == 'hmo_report'").accuracy.item()
    assert f"report HMO {accuracy:.3f}" in texts["predictivity"]
    layers = pd.read_csv("results/layers.csv").query("model == 'hmo_report' and layer == 'best' and region == 'AIT'")
    assert f"Noise-corrected r, AIT: report HMO {layers.r_corrected.item():.3f}" in texts["predictivity"]
    assert "report HMO minus pixels 0.123 (larger)" in texts["predictivity"]


def test_each_figure_says_what_it_was_drawn_from(project):
    sources = json.loads((project / "paper/figures/sources.json").read_text())
    assert sources["geometry"] == ["compare/hmo_report/rdms.nc"]
    assert sources["units"] == ["layers.csv", "units.csv"]
    assert set(sources) == set(SHOWN)


def test_figures_have_the_same_bytes_twice(project):
    first = {path.name: path.read_bytes() for path in sorted((project / "paper/figures").iterdir())}
    shutil.rmtree(project / "paper/figures")
    run()
    assert first == {path.name: path.read_bytes() for path in sorted((project / "paper/figures").iterdir())}


def test_no_figure_is_drawn_from_results_of_another_source(project):
    summary = json.loads((project / "results/summary.json").read_text())
    (project / "results/summary.json").write_text(json.dumps(summary | {"source": "real"}))
    shutil.rmtree(project / "paper/figures")
    with pytest.raises(DataError, match=r"is of real data, but acquire\.source in params\.yaml is simulated"):
        run()
    assert not (project / "paper/figures").exists()


@pytest.mark.parametrize("table", sorted(results.COLUMNS))
def test_a_missing_table_is_named(project, table):
    (project / f"results/{table}.csv").unlink()
    with pytest.raises(DataError, match=rf"results/{table}\.csv not found: run the stage summary"):
        run()


def test_a_missing_column_is_named(project):
    table = pd.read_csv(project / "results/layers.csv").drop(columns="r2_low")
    table.to_csv(project / "results/layers.csv", index=False)
    with pytest.raises(DataError, match=r"results/layers\.csv is damaged \(no column r2_low\): run the stage summary"):
        run()


def test_missing_rdms_are_named(project):
    (project / "results/compare/hmo_report/rdms.nc").unlink()
    with pytest.raises(
        DataError, match=r"results/compare/hmo_report/rdms\.nc not found: check the path, or run the stage compare"
    ):
        run()


def test_undefined_scores_are_drawn_as_absent(project):
    for name, columns in {
        "units": ["r_corrected", "r", "r2", "ceiling"],
        "layers": ["r_corrected", "r_corrected_low", "r_corrected_high", "r2", "r2_low", "r2_high", "ceiling"],
        "rsa": ["rho", "ci_low", "ci_high", "ceiling_lower", "ceiling_upper"],
        "validation": ["ceiling"],
    }.items():
        table = pd.read_csv(f"results/{name}.csv")
        table[columns] = np.nan
        table.to_csv(f"results/{name}.csv", index=False)
    run()
    assert len(list((project / "paper/figures").glob("*.svg"))) == len(SHOWN)


def test_images_are_ordered_by_category_with_faces_first_and_no_category_last():
    category = np.array(["none", "pareidolia", "face", "none", "face", "other_face"])
    order, names, starts = rdms.by_category(category)
    assert order.tolist() == [2, 4, 5, 1, 0, 3]
    assert names == ["face", "other face", "pareidolia", "no category"]
    assert starts == [0, 2, 3, 4]


def test_percentiles_rank_each_pair_once_and_leave_the_diagonal_empty():
    shown = rdms.percentiles(np.array([[0.0, 0.2, 0.9], [0.2, 0.0, 0.5], [0.9, 0.5, 0.0]]))
    np.testing.assert_allclose(shown[np.triu_indices(3, 1)], [100 / 6, 500 / 6, 50])
    np.testing.assert_array_equal(shown, shown.T)
    assert np.isnan(np.diag(shown)).all()


def test_an_undefined_pair_takes_no_rank():
    rdm = np.array([[0.0, 0.2, np.nan], [0.2, 0.0, 0.5], [np.nan, 0.5, 0.0]])
    np.testing.assert_allclose(rdms.percentiles(rdm)[np.triu_indices(3, 1)], [25, np.nan, 75])


def test_labels_are_readable_in_print(project):
    for name, figure, texts in drawn_labels():
        box = figure.bbox
        for text in texts:
            assert text.get_fontsize() * WIDTH_IN_PRINT >= 6, f"{name}: {text.get_text()!r}"
            extent = text.get_window_extent()
            inside = extent.x0 >= box.x0 - 1 and extent.x1 <= box.x1 + 1
            inside &= extent.y0 >= box.y0 - 1 and extent.y1 <= box.y1 + 1
            assert inside, f"{name}: {text.get_text()!r} is cut off"


def drawn_labels():
    """Draw every figure of the results at hand; yield its name, the figure, and the texts that are seen on it."""
    found = results.read("results")
    said = claims.work_out(found)
    with style.applied():
        for name, plot in draw.plots_for(found).items():
            figure, _ = plot(found, said)
            style.stamp(figure, found.source)
            FigureCanvasAgg(figure).draw()
            undrawn = _undrawn(figure)
            texts = figure.findobj(lambda artist: hasattr(artist, "get_fontsize"))
            yield name, figure, [t for t in texts if t.get_text().strip() and t.get_visible() and t not in undrawn]


def _undrawn(figure):
    """Return the labels of ticks outside the limits of their axis: they keep a text that is never drawn."""
    axes = [axis for one in figure.axes for axis in (one.xaxis, one.yaxis)]
    ticks = [(tick, sorted(axis.get_view_interval())) for axis in axes for tick in axis.majorTicks]
    beyond = [tick for tick, (low, high) in ticks if not low <= tick.get_loc() <= high]
    return [label for tick in beyond for label in (tick.label1, tick.label2)]


def test_what_lies_beyond_the_label_is_drawn_for_every_area(project):
    texts = json.loads((project / "paper/figures/alt.json").read_text())
    table = pd.read_csv("results/beyond_label.csv").query("model == 'pixels' and region == 'V4' and recording == 'all'")
    row = table.set_index("measure").loc["r_face"]
    text = texts["beyond_label"]
    within = text[text.index("within faces, V4") :]
    assert f"pixels {row.value:.3f} ({row.ci_low:.3f} to {row.ci_high:.3f})" in within[: within.index(";")]
    assert "as reported" not in text  # its tables are merged over recordings


def test_populations_are_drawn_once_beside_the_matched_models(project):
    learning = pd.read_csv("results/learning.csv")
    text = json.loads((project / "paper/figures/alt.json").read_text())["read_out"]
    score = learning.query("system == 'population' and region == 'AIT' and n_train == 32").score.mean()
    assert text.count("recorded units in AIT") == 2
    assert f"recorded units in AIT, balanced accuracy {score:.3f} at 32 training images" in text
    assert "report HMO, balanced accuracy V1 0.700, V2 0.710" in text


def test_rho_of_matrices_with_ties_is_the_mean_over_ways_to_break_them():
    one = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]], float)
    tied = np.array([[0, 1, 1], [1, 0, 2], [1, 2, 0]], float)
    assert rdms.correlation(one, one) == pytest.approx(1)
    assert rdms.correlation(one, tied) == pytest.approx((1 + 0.5) / 2)


def test_seeds_are_drawn_where_there_are_any(project):
    assert "seed_values.csv" in json.loads((project / "paper/figures/sources.json").read_text())["predictivity"]
    before = (project / "paper/figures/predictivity.svg").read_bytes()
    table = pd.read_csv("results/seed_values.csv")
    table = table[table.seed == 0]
    table.to_csv("results/seed_values.csv", index=False)
    summarise(table).to_csv("results/seeds.csv", index=False)
    run()
    assert (project / "paper/figures/predictivity.svg").read_bytes() != before
    assert json.loads((project / "paper/claims.json").read_text())["seeds"] is None
