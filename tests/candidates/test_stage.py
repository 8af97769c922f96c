import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from analysis import params
from analysis.candidates import ablation, joint, search, stage
from analysis.candidates.judge import IT, Judge
from analysis.core.errors import DataError, WriteError
from analysis.core.seeds import seed_of
from analysis.models import registry
from analysis.models.yamins_hmo import boosting
from analysis.models.yamins_hmo.layers import Module
from analysis.models.yamins_hmo.network import maps_of
from analysis.statistics import crossval
from analysis.statistics.predictivity.ridge import ALPHAS
from tests.models.test_hmo_layers import VALUES
from tests.models.test_stages import digests, kill_when

MODULE = {"in_norm_k": 5, "layers": [VALUES | {"n_filt": 8}]}


def test_a_candidate_is_judged_by_a_machine_and_by_ridge_on_images_outside_the_training_split(searched):
    judge = Judge(searched, "cpu")
    found = judge(3, MODULE, 11)
    maps = maps_of(Module(3, MODULE).draw(seed_of(11, "filters", 3)), judge.x, 2).flatten(1).numpy().astype(float)
    table = pd.read_csv("data/stimuli/images.csv")
    train, rest = ((table["split"] == "train").to_numpy() == value for value in (True, False))
    # the read-out
    z = (maps - maps[train].mean(0)) / maps[train].std(0, ddof=1) / np.sqrt(maps.shape[1])
    y = np.where(table["label"] == "face", 1, -1)
    weights = boosting.balanced(y[train])
    machine = SVC(C=3.0, kernel="linear").fit(z[train], y[train], sample_weight=weights / weights.mean())
    hit = machine.predict(z[rest]) == y[rest]
    balanced = np.mean([hit[y[rest] == label].mean() for label in (-1, 1)])
    assert found["accuracy"] == pytest.approx(balanced, abs=0.05)
    # predictivity, a ridge for each unit
    rs = {}
    row = {stem: number for number, stem in enumerate(table["stem"])}
    for one in judge.recorded:
        rows = np.array([row[image] for image in one.population.images])
        X, Y, inside = maps[rows], one.population.responses, train[rows]
        X = StandardScaler().fit(X[inside]).transform(X)
        X = X[:, X.std(axis=0) > 0]
        folds = PredefinedSplit(one.folds)
        for unit in Y.T:
            search_ = GridSearchCV(
                Ridge(), {"alpha": X.shape[1] * np.array(ALPHAS)}, scoring="neg_mean_squared_error", cv=folds
            )
            errors = search_.fit(X[inside], unit[inside]).cv_results_
            sizes = np.bincount(one.folds)
            total = sum(size * errors[f"split{k}_test_score"] for k, size in enumerate(sizes))  # pooled over images
            ridge = Ridge(X.shape[1] * ALPHAS[np.argmax(total)]).fit(X[inside], unit[inside])
            r = np.corrcoef(ridge.predict(X[~inside]), unit[~inside])[0, 1]
            rs.setdefault(one.population.region, []).append(r)
    assert list(found["areas"]) == ["V1", "CIT", "AIT", IT]
    for region in ("V1", "CIT", "AIT"):
        assert found["areas"][region]["median_r"] == pytest.approx(np.median(rs[region]), abs=1e-6)
        assert found["areas"][region]["n_units"] == len(rs[region])
    assert found["areas"][IT]["median_r"] == pytest.approx(np.median(rs["CIT"] + rs["AIT"]), abs=1e-6)


def test_what_is_kept_of_a_candidate_gives_its_scores_again(searched, tmp_path):
    judge, files = Judge(searched, "cpu"), [tmp_path / f"{number}.npy" for number in range(4)]
    found = [judge(number, MODULE, 5, file) for number, file in enumerate(files)]
    outcome = joint.load(judge, files)
    balanced = (outcome.correct[outcome.is_face].mean(axis=0) + outcome.correct[~outcome.is_face].mean(axis=0)) / 2
    np.testing.assert_allclose(balanced, [scores["accuracy"] for scores in found])
    for area in ("V1", "CIT", "AIT"):
        rs = [
            crossval.mean_pearson(one.observed, predicted, np.zeros(len(predicted), int))
            for one in outcome.populations
            if one.areas[0] == area
            for predicted in one.predicted.transpose(1, 0, 2)
        ]
        r = [np.median(np.concatenate(rs[candidate::4])) for candidate in range(4)]
        np.testing.assert_allclose(r, [scores["areas"][area]["median_r"] for scores in found], atol=1e-6)


def test_what_a_search_makes_small_is_blind_to_the_other_images(searched):
    before = Judge(searched, "cpu")(0, MODULE, 1)
    table = pd.read_csv("data/stimuli/images.csv")
    outside = table["split"] != "train"
    other = table["label"].replace({"face": "non-face", "non-face": "face"})
    table["label"] = table["label"].where(~outside, other)
    table.to_csv("data/stimuli/images.csv", index=False)
    judge = Judge(searched, "cpu")
    for one in judge.recorded:
        one.population.responses[one.held_out] = 0
    after = judge(0, MODULE, 1)
    assert after["training_error"] == before["training_error"]
    assert after["training_r"] == before["training_r"]
    assert after["accuracy"] == pytest.approx(1 - before["accuracy"])
    assert after["areas"] != before["areas"]


def test_no_search_looks_at_what_is_reported():
    """Of the scores of a candidate, what is reported does not change what the optimisers make small."""
    inside = {"training_error": 0.3, "training_r": 0.2}
    seen = []
    for held_out in (0.1, 0.9):
        scores = inside | {"accuracy": held_out, "areas": {"AIT": {"median_r": held_out}, IT: {"median_r": held_out}}}
        seen.append({kind: loss(scores) for kind, (_, loss) in search.KINDS.items()})
    assert seen[0] == seen[1]
    assert seen[0]["performance"] == 0.3  # an error is made small
    assert seen[0]["predictivity"] == -0.2  # a correlation large
    better = {kind: loss({"training_error": 0.2, "training_r": 0.4}) for kind, (_, loss) in search.KINDS.items()}
    assert better["performance"] < seen[0]["performance"]
    assert better["predictivity"] < seen[0]["predictivity"]
    assert {kind: sampler for kind, (sampler, _) in search.KINDS.items()} == {
        "random": "random", "performance": "tpe", "predictivity": "tpe",
    }  # fmt: skip


def test_a_variant_changes_one_part_of_the_full_procedure(searched):
    made = {name: entry.model_dump() for name, entry in ablation.entries(searched).items()}
    full = made["full"]
    assert (full["weights"], full["search"], full["filters"]) == ("boosting", "tpe", "random")
    changes = {
        name: {key: value for key, value in made[name].items() if value != full[key]} for name in ablation.VARIANTS
    }
    assert changes == {
        "full": {}, "no_boosting": {"weights": "none"}, "random_search": {"search": "random"},
        "margin": {"weights": "margin"}, "trained": {"filters": "trained"},
    }  # fmt: skip
    assert made["report"]["kind"] == "report_hmo"


def test_a_run_of_the_ablation_is_scored_on_test_images_and_has_a_seed_of_its_own(searched, tmp_path, monkeypatch):
    jobs, real = [], registry.kind("hmo")
    watched = dataclasses.replace(real, fit=lambda job: jobs.append(job) or real.fit(job))
    monkeypatch.setattr(registry, "kind", lambda name: watched)
    rows = [ablation._fit(searched, "full", number, tmp_path / str(number), "cpu") for number in (0, 1)]
    assert jobs[0].seed != jobs[1].seed
    table = pd.read_csv("data/stimuli/images.csv")
    swapped = table["label"].replace({"face": "non-face", "non-face": "face"})
    table["label"] = table["label"].where(table["split"] != "test", swapped)
    table.to_csv("data/stimuli/images.csv", index=False)
    again = ablation._fit(searched, "full", 0, tmp_path / "again", "cpu")
    assert again["accuracy"] == pytest.approx(1 - rows[0]["accuracy"])
    assert again["validation_balanced_accuracy"] == rows[0]["validation_balanced_accuracy"]
    ablation._fit(searched, "margin", 1, tmp_path / "margin", "cpu")
    assert jobs[-1].seed == jobs[1].seed  # paired


@pytest.mark.parametrize("kind", [DataError, WriteError])
def test_a_full_disk_is_no_failed_variant(searched, monkeypatch, tmp_path, kind):
    def fit(job):
        raise kind("so")

    failing = dataclasses.replace(registry.kind("hmo"), fit=fit)
    monkeypatch.setattr(registry, "kind", lambda name: failing)
    if kind is DataError:
        assert ablation._fit(searched, "full", 0, tmp_path / "x", "cpu") == {"failed": "so"}
        return
    with pytest.raises(WriteError, match="so"):
        ablation._fit(searched, "full", 0, tmp_path / "x", "cpu")


def test_a_module_out_of_bounds_is_a_failed_candidate(searched, monkeypatch):
    judge = Judge(searched, "cpu")
    judge.x = judge.x.float() * np.nan
    assert judge(0, MODULE, 1) == {"failed": "non-finite maps"}
    monkeypatch.setattr("analysis.candidates.judge.maps_of", lambda *_: torch.empty(2**60))
    assert judge(0, MODULE, 1) == {"failed": "out of memory"}
    monkeypatch.setattr("analysis.candidates.judge.maps_of", lambda module, x, grid: x @ torch.ones(2, 3))
    with pytest.raises(RuntimeError, match="shape"):
        judge(0, MODULE, 1)


def test_one_worker_and_two_and_a_killed_run_give_the_same_bytes(searched, monkeypatch, tmp_path):
    monkeypatch.setenv("NNN_WORKERS", "1")
    stage.run(searched)
    undisturbed = digests(stage.OUT)
    assert len(undisturbed) == 7
    shutil.rmtree(stage.OUT)
    code = "from analysis import params; from analysis.candidates import stage\n"
    code += "if __name__ == '__main__': stage.run(params.load())"
    work = tmp_path / "store" / "work"
    kill_when(code, lambda: list(work.glob("candidates-*/predictivity.journal")))
    kill_when(code, lambda: list(work.glob("candidates-*/*-1/second-0.journal")))  # in the ablation
    assert not stage.OUT.exists()
    monkeypatch.setenv("NNN_WORKERS", "2")
    stage.run(searched)
    assert digests(stage.OUT) == undisturbed
    assert not list(work.glob("candidates-*"))
    candidates = pd.read_csv(stage.OUT / "candidates.csv")
    assert candidates.groupby("kind").size().to_dict() == {
        "random": 4, "performance": 3, "predictivity": 3,
    }  # fmt: skip
    runs = pd.read_csv(stage.OUT / "runs.csv")
    assert set(runs["variant"]) == {*ablation.VARIANTS, ablation.REPORT}
    assert (runs["search_gflop"] > 0).all()
    summary = json.loads((stage.OUT / "summary.json").read_text())
    assert summary["ablation"]["margin"]["accuracy"]["seeds"] == 2
    assert set(summary["correlations"]) == {"V1", "CIT", "AIT", IT}


def test_wrong_names_are_one_line(searched):
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["candidates"]["model"] = "good"
    Path("params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(DataError, match=r"candidates\.model names a model of kind 'pixels'; give one of kind 'hmo'"):
        stage.run(params.load())
