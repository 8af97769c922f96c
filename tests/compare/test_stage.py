import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import spearmanr, zscore
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.preprocessing import StandardScaler

from analysis.compare import read as tables
from analysis.compare import stage
from analysis.core.errors import DataError
from analysis.models.activations import read as activations
from analysis.neural import stage as neural_stage
from analysis.seeds import stage as seeds
from analysis.statistics.predictivity.ridge import ALPHAS
from analysis.statistics.rsa import significance
from analysis.summary import stage as summary


def with_compare(values, **changes):
    """Parameters with other values in the group ``compare``."""
    return values.model_copy(update={"compare": values.compare.model_copy(update=changes)})


def summed_squares(estimator, X, y):
    return -np.sum((estimator.predict(X) - y) ** 2)


def table(model, name):
    return pd.read_csv(f"results/compare/{model}/{name}.csv")


def test_planted_features_are_found_and_others_not(project):
    values, _ = project
    for model in ("good", "bad"):
        stage.run(values, model)
    good, bad = table("good", "layers"), table("bad", "layers")
    assert list(good.columns) == tables.LAYERS
    assert good.groupby("layer", sort=False).region.agg(list).to_dict() == {
        layer: ["V1", "CIT", "AIT"] for layer in ("first", "top", "best")
    }
    for made, model in ((good, "good"), (bad, "bad")):
        medians = table(model, "units").groupby(["layer", "region"])[["r_corrected", "r2"]].median()
        both = made.set_index(["layer", "region"])[["r_corrected", "r2"]].join(medians.add_suffix("_of_units")).dropna()
        np.testing.assert_allclose(both["r_corrected"], both["r_corrected_of_units"], rtol=1e-9)
        np.testing.assert_allclose(both["r2"], both["r2_of_units"], rtol=1e-9)
    reductions = good.drop_duplicates("layer").set_index("layer").reduction
    assert reductions.fillna("").to_dict() == {"first": "2x2 average pool", "top": "none", "best": ""}
    top = good[good.layer == "top"].set_index("region")
    assert (top.r2 > 0.4).all()
    for name in ("r2", "r_corrected"):
        assert (top[f"{name}_low"] < top[name]).all()
        assert (top[name] < top[f"{name}_high"]).all()
    assert top.r_corrected.between(0.9, 1.08).all()
    assert top.r_pls_yamins.between(0.6, 1).all()
    assert (top.above_chance == 1).all()
    assert top.n_units.to_dict() == {"V1": 8, "CIT": 4, "AIT": 12}
    best = good[good.layer == "best"].set_index("region")
    pd.testing.assert_series_equal(best.r_corrected, top.r_corrected)
    assert bad.r2.between(-0.15, 0.05).all()
    assert (bad.r.abs() < 0.4).all()
    assert (bad.above_chance < 0.3).all()
    rsa = table("good", "rsa")
    assert list(rsa.columns) == tables.RSA
    assert len(rsa) == 2 * 4  # two layers, three recordings of which one spans two areas
    assert (rsa[rsa.layer == "top"].rho > 0.3).all()
    assert (rsa[rsa.layer == "first"].rho.abs() < 0.2).all()
    assert (rsa.ceiling_lower <= rsa.ceiling_upper).all()
    assert (rsa.ci_low < rsa.ci_high).all()


def test_unit_scores_equal_those_of_the_plain_way(project):
    values, _ = project
    stage.run(values, "good")
    units = table("good", "units")
    assert list(units.columns) == tables.UNITS
    stems, X = activations.read("good", "top")
    raw = xr.open_dataset("data/recordings/corrected/Aa000003.nc").load()
    rows = raw.selected.values
    frame = pd.DataFrame(raw.rate.values[rows].astype(float)).groupby(raw.stimulus_id.values[rows]).mean()
    X = X[[stems.index(stem) for stem in frame.index]].astype(float)
    groups = pd.read_csv("data/stimuli/images.csv").set_index("stem").group
    labels = np.array([groups[stem] for stem in frame.index])
    from analysis.core.seeds import seed_of
    from analysis.statistics.crossval import group_folds

    seed = seed_of(values.seed, "compare", "Aa000003", "AIT")
    folds = group_folds(labels, 4, seed_of(seed, "folds", 0))
    for k, column in enumerate(frame.columns):
        y, predicted, mean, rs = frame[column].to_numpy(), np.empty(len(frame)), np.empty(len(frame)), []
        by_pls = {"r_pls_yamins": (9, []), "r_pls_report": (4, [])}
        for fold in range(4):
            inside, outside = folds != fold, folds == fold
            scaler = StandardScaler().fit(X[inside])
            Z, inner = scaler.transform(X), PredefinedSplit(folds[inside])
            penalties = np.array(ALPHAS) * np.mean(np.sum(Z[inside] ** 2, axis=1))
            search = GridSearchCV(Ridge(), {"alpha": penalties}, cv=inner, scoring=summed_squares)
            predicted[outside] = search.fit(Z[inside], y[inside]).predict(Z[outside])
            mean[outside] = y[inside].mean()
            rs.append(np.corrcoef(predicted[outside], y[outside])[0, 1])
            for number, found in by_pls.values():
                fit = PLSRegression(number, tol=1e-12, max_iter=5000).fit(X[inside], y[inside]).predict(X[outside])
                found.append(np.corrcoef(fit.ravel(), y[outside])[0, 1])
        row = units[(units.recording == "Aa000003") & (units.layer == "top") & (units.unit == f"{k + 1}a")].iloc[0]
        assert row.r2 == pytest.approx(1 - np.sum((y - predicted) ** 2) / np.sum((y - mean) ** 2), abs=1e-6)
        assert row.r == pytest.approx(np.mean(rs), abs=1e-6)
        assert row.r_corrected == pytest.approx(row.r / np.sqrt(row.ceiling))
        for name, (_, found) in by_pls.items():
            assert row[name] == pytest.approx(np.mean(found), abs=1e-6)
    rsa = table("good", "rsa")
    rdms = [1 - np.corrcoef(Z)[np.triu_indices(60, 1)] for Z in (X, zscore(frame.to_numpy()))]
    here = rsa[(rsa.recording == "Aa000003") & (rsa.layer == "top")].iloc[0]
    assert here.rho == pytest.approx(spearmanr(*rdms).statistic, abs=1e-10)


def test_ceilings_lie_at_the_planted_explainable_variance(project):
    values, _ = project
    for model in values.models.run:
        stage.run(values, model)
        seeds.run(values, model)
    summary.run(values)
    found = pd.read_csv("results/validation.csv")
    assert len(found) == 24
    assert abs((found.ceiling - found.explainable).mean()) < 0.05
    assert found.ceiling.between(0.2, 1).all()
    numbers = json.loads(Path("results/summary.json").read_text())
    assert numbers["validation"]["units"] == 24
    assert numbers["validation"]["drifting"] == found.drifting.sum() == 3  # the first unit of each recording
    steady = found[~found.drifting]
    assert numbers["validation"]["steady"]["units"] == len(steady) == 21
    assert numbers["validation"]["steady"]["mean_difference"] == pytest.approx(
        (steady.ceiling - steady.explainable).mean(), abs=1e-6
    )
    assert numbers["source"] == "simulated"
    assert numbers["data"] == {
        "images": 60,
        "faces": 30,
        "recordings": 3,
        "subjects": 2,
        "units": 24,
        "fixations_in_file": 3240,
        "fixations_selected": 3 * sum(k % 7 != 3 for k in range(1080)),
    }
    assert numbers["models"]["good"]["areas"]["AIT"]["top"]["r2"] > 0.4
    assert numbers["protocols"]["report"]["model"] == "reported"
    assert numbers["protocols"]["corrected"]["model"] == "good"


def test_report_protocol_merges_by_column_and_collapses(project):
    values, _ = project
    stage.run(values, "reported")
    units = table("reported", "units")
    ait = units[(units.region == "AIT") & (units.layer == "top")]
    assert set(units.region) == {"V1", "CIT", "AIT"}  # the first row's area: the second recording is all CIT
    assert list(ait.unit) == [f"column_{k}" for k in range(8)]
    assert set(ait.recording) == {"merged"}
    assert ait.ceiling.isna().all()
    assert set(ait.n_images) == {30}  # the report's test images
    assert table("reported", "layers").set_index(["layer", "region"]).r2["top", "AIT"] < 0.1


def test_same_bytes_twice(project):
    values, _ = project

    def digests():
        stage.run(values, "good")
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in Path("results/compare/good").iterdir()}

    first = digests()
    others = {"predictions.nc", "null.npy", "rdms.nc", "summary.json", "encoders.safetensors", "encoders.json"}
    assert set(first) == {f"{name}.csv" for name in tables.TABLES} | others
    assert digests() == first


def test_rdms_of_the_figure(project):
    values, _ = project
    stage.run(values, "good")
    with xr.open_dataset("results/compare/good/rdms.nc") as file:
        assert file.attrs["region"] == "AIT"
        assert file.attrs["recording"] == "Aa000003"
        assert file.model_rdm.shape == (60, 60)
        assert set(file.category.values) == {"face", "none"}
        upper = np.triu_indices(60, 1)
        rho = spearmanr(file.model_rdm.values[upper], file.neural_rdm.values[upper]).statistic
        assert file.attrs["rho"] == pytest.approx(rho)


def test_too_few_images_are_undefined_not_scored(project):
    values, _ = project
    stage.run(with_compare(values, folds=61), "good")
    assert table("good", "units").r2.isna().all()
    assert table("good", "layers").n_units.eq(0).all()
    assert table("good", "best").empty
    assert json.loads(Path("results/compare/good/summary.json").read_text())["areas"]["AIT"]["r_corrected"] is None


def test_a_layer_may_not_bear_the_name_of_the_chosen_one(project, monkeypatch):
    values, _ = project
    monkeypatch.setattr(activations, "layers", lambda model: ["best", "top"])
    with pytest.raises(DataError, match="good has a layer 'best', the name of the chosen layer in tables"):
        stage.run(values, "good")


def test_bad_input_names_the_culprit(project):
    values, _ = project
    with pytest.raises(DataError, match="no model 'hmo'"):
        stage.run(values, "hmo")
    with pytest.raises(DataError, match=r"units.csv not found: run the stage compare for good"):
        summary.run(values)


def test_no_image_at_hand_is_an_error_unless_images_are_missing(project):
    values, _ = project
    images = pd.read_csv("data/stimuli/images.csv", dtype={"stem": str})
    images.assign(stem="absent-" + images["stem"]).to_csv("data/stimuli/images.csv", index=False)
    for protocol in ("corrected", "report"):
        neural_stage.run(values, protocol)
    with pytest.raises(DataError, match="shows an image that good compares"):
        stage.run(values, "good")
    assert not Path("results/compare/good").exists()
    lost = "path,reason,recordings\nStimuli/x.png,not in the archive,2\nsub-A/a_image.nwb,damaged,1\n"
    Path("data/stimuli/missing.csv").write_text(lost)
    for model in values.models.run:
        stage.run(values, model)
        seeds.run(values, model)
        assert table(model, "units").empty
    summary.run(values)
    found = json.loads(Path("results/summary.json").read_text())
    n = len(images)
    assert found["missing"] == [
        f"1 of {n + 1} images that the recordings show or the archive holds",
        "recording sub-A/a_image.nwb",
    ]
    assert found["models"]["good"]["areas"] == {}


def test_single_fixations_are_read_against_the_consistency_of_their_units(project):
    values, _ = project
    for model in ("good", "bad"):
        stage.run(values, model)
    found = table("good", "fixations")
    assert list(found.columns) == tables.TABLES["fixations"]
    assert len(found) == 2 * 8 * 2  # two recordings with patches, eight units, zeroth and later fixations
    assert set(found.part) == {"zeroth", "later"}
    later = found[found.part == "later"]
    assert later.explained.median() == pytest.approx(1, abs=0.2)
    np.testing.assert_allclose(found.explained, found.pearson_r * found.pearson_r.abs() / found.rsc)
    selected = sum(k % 7 != 3 for k in range(1080)) / 2
    assert found.groupby("recording").n_fixations.unique().map(sum).between(0.9 * selected, 1.1 * selected).all()
    assert (found.neuroid_id == found.recording + "-" + found.unit).all()
    assert table("bad", "fixations").empty


def test_patches_of_other_fixations_are_refused(project):
    values, _ = project
    source = Path("data/activations").readlink()
    Path("data/activations").unlink()
    shutil.copytree(source, "data/activations")
    path = Path("data/activations/good/patches/Aa000001.nc")
    with xr.open_dataset(path, engine="h5netcdf") as file:
        seen = file.load()
    seen["row"] = seen["row"] + 1
    seen.to_netcdf(path, engine="h5netcdf")
    with pytest.raises(DataError, match=r"patches of good do not belong to .*Aa000001.nc: run the stage activations"):
        stage.run(values, "good")


def test_all_layers_of_all_models_are_tested_together(project):
    values, _ = project
    for model in values.models.run:
        stage.run(values, model)
        seeds.run(values, model)
    summary.run(values)
    found = pd.read_csv("results/tests.csv").set_index(["model", "layer", "region"]).sort_index()
    assert set(found.columns) | {"model", "layer", "region"} == set(significance.COLUMNS)
    assert len(found) == 3 * 2 * 3  # models, layers, areas
    assert found.p.min() == 1 / 100
    top = found.loc["good", "top"]
    assert (top.p == 0.01).all()
    assert (top.p_max == 0.01).all()
    assert (top.p_bh < 0.05).all()
    assert found.loc["bad"].p_max.min() > 0.05
    rsa = table("good", "rsa")
    mean = rsa[(rsa.layer == "top") & (rsa.region == "AIT")].rho.mean()
    assert top.rho["AIT"] == pytest.approx(mean, abs=1e-12)
    assert top.recordings["AIT"] == 2


def test_networks_and_areas_are_set_side_by_side_at_each_level(project):
    values, _ = project
    for model in values.models.run:
        stage.run(values, model)
        seeds.run(values, model)
    summary.run(values)
    found = pd.read_csv("results/levels.csv").set_index(["what", "system", "level"])
    assert set(found.loc["network"].index.get_level_values("system")) == set(values.models.run)
    assert set(found.loc["area"].index.get_level_values("system")) == {"V1", "CIT", "AIT"}
    # Test images have odd places, so all are non-faces, of which those of place 3 in 4 are called faces.
    assert found.score["network", "good", "object"] == pytest.approx(0.5)
    assert found.n["network", "good", "object"] == 30
    decoding = table("good", "decoding").query("system == 'population' and region == 'AIT' and level == 'all'")
    assert found.score["area", "AIT", "all"] == pytest.approx(decoding.score.mean())


def test_chosen_layer_and_read_out(project):
    values, _ = project
    for model in ("good", "bad"):
        stage.run(values, model)
    best = table("good", "best")
    assert list(best.columns) == tables.TABLES["best"]
    assert len(best) == 4
    assert set(best.layers) == {"top:4"}
    assert (best.r2 > 0.4).all()
    assert (table("bad", "best").r2 < 0.1).all()
    read = table("good", "decoding")
    assert list(read.columns) == tables.TABLES["decoding"]
    assert set(read.system) == {"population", "model"}
    assert set(read.level) == {"all", "face", "object"}
    assert set(read[read.level == "all"].measure) == {"balanced accuracy"}
    assert read[read.level == "all"].score.between(0.2, 0.8).all()  # labels are planted in nothing
    assert (read[read.level == "all"].n_images == 60).all()
    kernel = table("good", "kernel")
    assert kernel.groupby(["recording", "region", "system"]).size().eq(17).all()
    assert kernel.precision.max() < 0.5


def test_planted_labels_are_read_out_of_units_and_of_the_model(project):
    values, truth = project
    images = pd.read_csv("data/stimuli/images.csv", dtype={"stem": str}, keep_default_na=False)
    face = truth.features[:, 0] > 0
    images["label"], images["category"] = np.where(face, "face", "non-face"), np.where(face, "face", "none")
    images.to_csv("data/stimuli/images.csv", index=False)
    neural_stage.run(values, "corrected")
    for model in ("good", "bad"):
        stage.run(values, model)
    score = table("good", "decoding").query("level == 'all'").groupby("system").score.mean()
    assert score["population"] > 0.7
    assert score["model"] > 0.7
    assert table("bad", "decoding").query("level == 'all' and system == 'model'").score.mean() < 0.65
    called = table("good", "decoding").groupby("level").score.mean()
    assert called["face"] > 0.65 > 0.35 > called["object"]
