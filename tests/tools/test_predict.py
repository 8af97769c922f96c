"""Predicted responses to image files: those of the fitted maps, whatever the size of the image."""

import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from safetensors.numpy import load_file
from typer.testing import CliRunner

from analysis import params
from analysis.cli import app
from analysis.compare import encoders
from analysis.compare import stage as compare
from analysis.core.errors import DataError
from analysis.core.images import GREY
from analysis.models.activations import read as activations
from analysis.models.activations import stage as activations_stage
from analysis.models.train import stage as train
from analysis.neural import stage as neural
from analysis.tools.predict import COLUMNS, predict
from tests.models.conftest import TINY, toy_images
from tests.planted import write_parameters, write_recording

N, SIZE = 48, 32
MODELS = ("pixels", "cnn")


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A project in which two models were trained and compared with units that follow the brightness of quarters."""
    root = tmp_path_factory.mktemp("built")
    rng = np.random.default_rng(1)
    images, face = toy_images(N, SIZE)
    stems, number = [f"image{k:02d}" for k in range(N)], np.arange(N)
    table = {"stem": stems, "path": stems, "extension": ".png", "width": SIZE, "height": SIZE, "annotated": True}
    label = np.where(face == 1, "face", "non-face")
    table |= {"category": np.where(face == 1, "face", "none"), "label": label, "group": number}
    table |= {"split": np.resize(["train", "train", "validation", "test", "test", "train", "validation"], N)}
    (root / "data/stimuli").mkdir(parents=True)
    np.save(root / "data/stimuli/images.npy", images)
    rules = {"label_report": label, "split_report": np.resize(["train", "test"], N)}
    pd.DataFrame(table | rules).to_csv(root / "data/stimuli/images.csv", index=False)
    (root / "data/stimuli/missing.csv").write_text("path,reason,recordings\n")
    quarters = images.mean(axis=1).reshape(N, 2, 16, 2, 16).mean(axis=(2, 4)).reshape(N, 4)
    driven = 20 + (quarters - quarters.mean(axis=0)) / quarters.std(axis=0) * 3
    for name, region, units in (("Aa000001", "V4", [0, 1, 2, 3]), ("Bb000002", "AIT", [3, 2, 1, 0])):
        folder = root / "data/recordings"
        write_recording(folder, name, name[:2], [region] * 4, stems, driven[:, units], rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("NNN_STORE", str(root / "store"))
        write_parameters(Path("params.yaml"))
        values = yaml.safe_load(Path("params.yaml").read_text())
        values["models"] |= {"run": list(MODELS)} | {name: TINY[name] for name in (*MODELS, "category")}
        values["recorded"] |= {"models": list(MODELS)}
        Path("params.yaml").write_text(yaml.safe_dump(values))
        values = params.load()
        neural.run(values, "corrected")
        for model in MODELS:
            train.run(values, model)
            activations_stage.run(values, model)
            compare.run(values, model)
    return root


@pytest.fixture
def project(built, tmp_path, monkeypatch) -> Path:
    """A copy of that project as working folder, with its images as files."""
    root = tmp_path / "copy"
    shutil.copytree(built, root)
    monkeypatch.chdir(root)
    for number, image in enumerate(np.load("data/stimuli/images.npy")):
        Image.fromarray(image.transpose(1, 2, 0)).save(f"image{number:02d}.png")
    return root


@pytest.mark.parametrize("model", MODELS)
def test_predictions_of_shown_images_are_those_of_their_stored_activations(project, model):
    files = [f"image{number:02d}.png" for number in (7, 3, 30)]
    table = predict(model, files)
    assert list(table.columns) == COLUMNS
    assert table.image.tolist() == np.repeat(files, 8).tolist()
    tensors = load_file(f"results/compare/{model}/encoders.safetensors")
    for one in encoders.read(model):
        stems, X = activations.read(model, one.layer)
        mean, scale, weights, intercept = (
            tensors[f"{one.recording}-{one.region}.{name}"].astype(float)
            for name in ("mean", "scale", "weights", "intercept")
        )
        for file in files:
            features = np.clip((X[stems.index(file[:7])] - mean) / scale, -np.sqrt(N), np.sqrt(N))
            rows = table[(table.image == file) & (table.region == one.region)]
            assert rows.unit_id.tolist() == list(one.units)
            np.testing.assert_allclose(rows.predicted_rate, features @ weights + intercept, rtol=1e-5)
            np.testing.assert_array_equal(rows.score, one.score)
            np.testing.assert_array_equal(rows.ceiling, one.ceiling)


def test_units_follow_what_drives_them_in_new_images(project):
    images, _ = toy_images(60, SIZE, seed=99)
    for number, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(f"new{number:02d}.png")
    table = predict("pixels", sorted(Path().glob("new*.png")))
    rates = table[table.region == "V4"].pivot(index="image", columns="unit_id", values="predicted_rate")
    quarters = images.mean(axis=1).reshape(60, 2, 16, 2, 16).mean(axis=(2, 4)).reshape(60, 4)
    for k, unit in enumerate(f"Aa000001-{k + 1}a" for k in range(4)):
        assert np.corrcoef(rates[unit], quarters[:, k])[0, 1] > 0.8
    assert (table.score > 0.6).all()
    assert table.ceiling.between(0.3, 1).all()


def test_an_image_of_another_shape_is_padded_and_scaled(project):
    with Image.open("image05.png") as image:
        pixels = np.asarray(image)[8:24]
    Image.fromarray(pixels).save("wide.png")
    padded = np.full((SIZE, SIZE, 3), GREY, np.uint8)
    padded[8:24] = pixels
    Image.fromarray(padded).save("padded.png")
    Image.fromarray(padded.repeat(3, 0).repeat(3, 1)).save("large.bmp")
    table = predict("cnn", ["wide.png", "padded.png", "large.bmp"])
    wide, padded, large = (part.predicted_rate.to_numpy() for _, part in table.groupby("image", sort=False))
    np.testing.assert_array_equal(wide, padded)
    assert 0 < np.abs(large - padded).max() < 2


def test_bad_input_is_one_line_that_names_it(project):
    Path("text.png").write_text("no image")
    for arguments, said in (
        (("none", ["image01.png"]), "no model 'none' in params.yaml"),
        (("pixels", ["nothing.png"]), "nothing.png not found: give an image file"),
        (("pixels", ["image01.png", "text.png"]), "text.png: not a readable image"),
        (("pixels", []), "no image: give at least one file"),
        (("pixels", ["image01.png"], "v5"), "no recorded data set 'v5' in params.yaml"),
        (("pixels", ["image01.png"], "v4"), "recorded/v4 not found: run the stages of the data set v4"),
        (("category", ["image01.png"]), "encoders.json not found: run the stage compare for category"),
    ):
        with pytest.raises(DataError) as caught:
            predict(*arguments)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not Path("recorded").exists()
    shutil.copytree("results/compare/pixels", "results/compare/category")
    with pytest.raises(DataError, match="category has no image input"):
        predict("category", ["image01.png"])
    shutil.rmtree("results/compare/pixels")
    shutil.copytree("results/compare/cnn", "results/compare/pixels")
    about = Path("results/compare/pixels/encoders.json")
    about.write_text(about.read_text().replace(f'"{encoders.read("cnn")[0].layer}"', '"pixels"'))
    with pytest.raises(DataError, match="layer pixels has changed since compare: rerun compare"):
        predict("pixels", ["image01.png"])


def test_the_command_writes_csv_for_the_experiment_and_for_a_recorded_data_set(project):
    def run(*words: str) -> str:
        found = CliRunner().invoke(app, ["predict", *words], catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return found.stdout

    table = pd.read_csv(io.StringIO(run("pixels", "--image", "image01.png", "image02.png", "--image", "image03.png")))
    assert table.image.unique().tolist() == ["image01.png", "image03.png", "image02.png"]
    expected = predict("pixels", ["image01.png", "image03.png", "image02.png"])
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    folder = Path("recorded/v4")
    folder.mkdir(parents=True)
    for name in ("data", "models", "results"):
        shutil.move(name, folder / name)
    said = run("pixels", "--dataset", "v4", "--image", "image01.png", "--out", "rates.csv")
    assert said == "wrote rates.csv: 8 predictions\n"
    pd.testing.assert_frame_equal(pd.read_csv("rates.csv"), expected[:8], check_dtype=False)
