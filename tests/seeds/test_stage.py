"""Further seeds are trained as the model itself, and scored as ``compare`` scores it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.compare import stage as compare
from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.models.activations import read as activations
from analysis.seeds import further, measures, stage
from analysis.seeds.read import COLUMNS, read_seeds
from tests.seeds.conftest import MODEL


def as_series(rows: list[dict]) -> pd.Series:
    return pd.DataFrame(rows).set_index(["region", "measure", "layer"])["value"].astype(float)


def test_the_seed_of_the_model_itself_gives_the_scores_of_compare(trained, monkeypatch, tmp_path):
    monkeypatch.setattr(further, "seed_of", lambda seed, *names: seed)
    again = further.score_seed(further.Experiment(trained, MODEL, "cpu"), 1, str(tmp_path / "work"))
    expected = as_series(measures.read_main(MODEL))
    assert set(expected.index.get_level_values("measure")) == {"accuracy", "r_corrected", *measures.GIVEN}
    assert set(expected.index.get_level_values("region")) == {"", "V1", "CIT", "AIT"}
    pd.testing.assert_series_equal(as_series(again), expected, rtol=1e-9)


def test_any_number_of_workers_gives_the_same_bytes_and_every_seed_other_weights(trained, monkeypatch):
    path, found = Path(f"results/seeds/{MODEL}.csv"), []
    for workers in (1, 2):
        monkeypatch.setenv("NNN_WORKERS", str(workers))
        stage.run(trained, MODEL)
        found.append(path.read_bytes())
    assert found[0] == found[1]
    table = read_seeds(MODEL)
    assert list(table) == COLUMNS
    assert table["seed"].unique().tolist() == [0, 1, 2]
    scores = [part["value"].to_numpy() for _, part in table[table["measure"] == "r_corrected"].groupby("seed")]
    assert all(len(one) == 3 and np.isfinite(one).all() for one in scores)
    assert len({one.tobytes() for one in scores}) == 3
    assert not list(Path("store/work").glob("seeds-*"))
    assert activations.read_metrics(MODEL)["splits"]["test"]["accuracy"] == table["value"][0]


def test_a_killed_run_goes_on_from_the_seeds_that_are_done(trained, monkeypatch):
    monkeypatch.setenv("NNN_WORKERS", "1")
    stage.run(trained, MODEL)
    whole = Path(f"results/seeds/{MODEL}.csv").read_bytes()
    score, fitted = further._score, []

    def cut(shared, job):
        fitted.append(job.seed)
        if len(fitted) == 2:
            raise KeyboardInterrupt
        return score(shared, job)

    monkeypatch.setattr(further, "_score", cut)
    with pytest.raises(KeyboardInterrupt):
        stage.run(trained, MODEL)
    stage.run(trained, MODEL)
    assert fitted == [seed_of(trained.seed, "further", number) for number in (1, 2, 2)]
    assert Path(f"results/seeds/{MODEL}.csv").read_bytes() == whole


@pytest.mark.parametrize("model", ["good", "reported"])
def test_models_that_no_seed_changes_have_one(project, model):
    values, _ = project
    compare.run(values, model)
    stage.run(values, model)
    assert read_seeds(model)["seed"].unique().tolist() == [0]


def test_a_table_of_another_model_is_refused(trained):
    Path("results/seeds").mkdir(parents=True)
    Path(f"results/seeds/{MODEL}.csv").write_text(",".join(COLUMNS) + "\nother,0,,accuracy,0.5,\n")
    with pytest.raises(DataError, match="it belongs to model other"):
        read_seeds(MODEL)
