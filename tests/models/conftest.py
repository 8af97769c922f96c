"""A small project folder with images in the form that the stage stimuli writes."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis import params
from tests.project import ROOT


def toy_images(n: int, size: int = 32, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Half bright discs with two dark eyes and a mouth, half the same discs with the three marks elsewhere.

    Returns images (n, 3, size, size) uint8 and labels (n,), 1 for the eyes-over-mouth half.
    """
    draw = np.random.default_rng(seed)
    images = draw.integers(90, 170, (n, 3, size, size))
    labels = np.arange(n) % 2
    y, x = np.mgrid[:size, :size] / size
    for number in range(n):
        cx, cy = draw.uniform(0.4, 0.6, 2)
        images[number, :, (x - cx) ** 2 + (y - cy) ** 2 < 0.1] = draw.integers(170, 230, 3)
        marks = [(-0.12, -0.1), (0.12, -0.1), (0.0, 0.14)]
        if not labels[number]:
            marks = [(a, -b) for a, b in marks]
        for a, b in marks:
            images[number, :, (x - cx - a) ** 2 + (y - cy - b) ** 2 < 0.005] = draw.integers(10, 60, 3)
    return images.astype(np.uint8), labels


TINY = {
    "hmo": {
        "kind": "hmo", "protocol": "corrected", "size": 16, "grid": 4, "top": 16,
        "first": {"modules": 2, "candidates": 4}, "second": {"modules": 2, "candidates": 3},
        "n_filt": [[4, 8], [4, 8]], "k_filt": [3, 4], "second_k_filt": [3, 3],
        "weights": "boosting", "shrinkage": 1.0, "patience": None, "tasks": "face",
        "search": "tpe", "filters": "random",
        "training": {"epochs": 2, "batch": 16, "learning_rate": 0.01},
        "batch": 2, "folds": 3, "C": 3.0, "Cs": [0.1, 1.0],
        "activations": {"pool": 2, "features": 30, "patches": 0},
    },
    "report_hmo": {
        "kind": "report_hmo", "protocol": "corrected", "size": 16, "inputs": "standardised",
        "augment": {"flip": True, "shift": 0.1, "contrast": 0.2}, "copies": 2,
        "candidates": 4, "kept": 2, "epochs": [1, 2], "reduction": 2, "promising": "lowest_loss",
        "layers": [1, 2], "filters": [4, 6], "kernels": [3, 5], "modules": 2, "grid": 4, "top": 20,
        "final_epochs": 3, "batch": 16, "learning_rate": 0.01, "precision": "float32",
        "activations": {"pool": 2, "features": 30, "patches": 0},
    },
    "cnn": {
        "kind": "simple_cnn", "protocol": "corrected", "size": 16, "inputs": "unit",
        "filters": [6, 8], "kernel": 3, "dense": 12,
        "epochs": 4, "patience": 2, "batch": 16, "learning_rate": 0.01, "precision": "float32",
        "weight_decay": 0.01,
        "augment": {"flip": True, "shift": 0.1, "contrast": 0.2},
        "activations": {"pool": 0, "features": 1000, "patches": 0},
    },
    "resnet": {
        "kind": "resnet", "protocol": "corrected", "size": 16, "inputs": "standardised", "filters": [4, 8], "blocks": 2,
        "epochs": 3, "patience": 0, "batch": 16, "learning_rate": 0.01, "precision": "float32",
        "weight_decay": 0.01,
        "augment": {"flip": True, "shift": 0.1, "contrast": 0.2},
        "activations": {"pool": 0, "features": 1000, "patches": 0},
    },
    "vit": {
        "kind": "vit", "protocol": "corrected", "size": 16, "inputs": "standardised",
        "stem": [4, 8], "width": 8, "depth": 2, "heads": 2, "hidden": 12,
        "epochs": 3, "patience": 0, "batch": 16, "learning_rate": 0.01, "precision": "float32",
        "weight_decay": 0.01,
        "augment": {"flip": True, "shift": 0.1, "contrast": 0.2},
        "activations": {"pool": 0, "features": 1000, "patches": 0},
    },
    "gabor": {
        "kind": "gabor", "protocol": "corrected", "size": 32, "wavelengths": [3.0, 8.0], "orientations": 4, "stride": 2,
        "pool": 3, "sigma": 0.1, "grid": 4, "C": 0.1,
        "activations": {"pool": 4, "features": 1000, "patches": 0},
    },
    "pixels": {
        "kind": "pixels", "protocol": "corrected", "size": 8, "colour": "grey", "C": 1.0,
    },
    "category": {"kind": "category", "protocol": "corrected"},
}  # fmt: skip
"""Entries of params.yaml small enough for a test."""
TINY["untrained"] = TINY["report_hmo"] | {"kind": "report_hmo_untrained", "C": 0.01}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Working directory with data/stimuli (80 images) and a function that gives parameters with one more entry."""
    root = tmp_path / "project"
    folder = root / "data" / "stimuli"
    folder.mkdir(parents=True)
    images, face = toy_images(80)
    np.save(folder / "images.npy", images)
    number = np.arange(80)
    label = np.where(face == 1, "face", "non-face").astype(object)
    label[number % 20 == 19] = "unlabelled"
    pd.DataFrame(
        {
            "stem": [f"image{i:03d}" for i in number],
            "path": [f"Stimuli/image{i:03d}.png" for i in number],
            "extension": ".png",
            "width": 32,
            "height": 32,
            "annotated": True,
            "category": np.where(face == 1, "face", "none"),
            "label": label,
            "group": number // 2,
            "split": np.select([number % 10 < 6, number % 10 < 8], ["train", "validation"], "test"),
            "label_report": np.where(face == 1, "face", "non-face"),
            "split_report": np.select([number % 10 < 7, number % 10 < 9], ["train", "test"], ""),
        }
    ).to_csv(folder / "images.csv", index=False)
    monkeypatch.chdir(root)
    source = ROOT / "params.yaml"

    def entries(**changed) -> params.Params:
        values = yaml.safe_load(source.read_text())
        values["models"] = {"run": sorted(TINY | changed)} | TINY | changed
        values["recorded"]["models"] = ["pixels"]
        Path("params.yaml").write_text(yaml.safe_dump(values))
        return params.load()

    return entries


@pytest.fixture
def tiny() -> dict[str, dict]:
    """The small entries, to be changed by a test."""
    return copy.deepcopy(TINY)


@pytest.fixture
def photographs(project):
    """Write data/stimuli/ anew: five crops each of scikit-learn's photographs of a flower and a temple."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    draw, images, rows = np.random.default_rng(0), [], []
    for number, (name, label) in enumerate({"flower.jpg": "face", "china.jpg": "non-face"}.items()):
        for crop in range(5):
            left = int(draw.integers(0, 640 - 427))
            part = Image.fromarray(load_sample_image(name)).crop((left, 0, left + 427, 427)).resize((224, 224))
            images.append(np.asarray(part).transpose(2, 0, 1))
            split = ("train", "train", "train", "validation", "test")[crop]
            about = {"path": name, "extension": ".jpg", "width": 224, "height": 224, "annotated": True}
            about |= {"group": len(rows), "label_report": label, "split_report": split}
            rows.append(about | {"stem": f"{number}{crop}", "category": name, "label": label, "split": split})
    np.save("data/stimuli/images.npy", np.stack(images))
    pd.DataFrame(rows).to_csv("data/stimuli/images.csv", index=False)
