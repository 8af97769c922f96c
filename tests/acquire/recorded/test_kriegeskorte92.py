"""The 92 images: a small file of the same form, and the published ones where they are at hand."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from analysis import params
from analysis.acquire.real import blobs, digests, github
from analysis.acquire.recorded import kriegeskorte92, layout, stage
from analysis.core import paths
from analysis.core.errors import DataError
from tests.project import ROOT

KINDS = ["human bodypart", "human face", "nonhuman face", "natural inanimate"]


def distances(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 1.9, n * (n - 1) // 2)


def square(pairs: np.ndarray, n: int) -> np.ndarray:
    matrix = np.zeros((n, n))
    matrix[np.triu_indices(n, 1)] = pairs
    return matrix + matrix.T


def structs(rows: list[dict], shape: tuple) -> np.ndarray:
    """MATLAB's struct arrays as `savemat` takes them."""
    out = np.empty(len(rows), dtype=[(name, object) for name in rows[0]])
    for number, row in enumerate(rows):
        out[number] = tuple(row.values())
    return out.reshape(shape)


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    """Files of four images, of the published form."""
    n, rng = len(KINDS), np.random.default_rng(0)
    images = [{"category": kind, "image": rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)} for kind in KINDS]
    both = [{"name": name, "RDM": distances(n, k)[None]} for k, name in enumerate(kriegeskorte92.SYSTEMS)]
    subjects = [
        {"RDM": square(distances(n, 10 + 2 * s + k), n), "name": f"hIT | {name} | Session: {k + 1}"}
        for s, name in enumerate(("AB", "CD"))
        for k in range(2)
    ]
    paths = tmp_path / "supplement.mat", tmp_path / "subjects.mat"
    savemat(paths[0], {"stimuli_92objs": structs(images, (1, n)), "RDMs_mIT_hIT_fig1": structs(both, (1, 2))})
    savemat(paths[1], {"RDMs": structs(subjects, (1, 2, 2))})
    return paths


def test_images_and_dissimilarities_are_read_in_their_order(files):
    images, data, pictures = kriegeskorte92.read(*files)
    assert images["image_id"].tolist() == [
        "01_human_bodypart",
        "02_human_face",
        "03_nonhuman_face",
        "04_natural_inanimate",
    ]
    assert images["category"].tolist() == ["body part", "face", "face", "object"]
    assert images["object"].tolist() == ["human", "human", "nonhuman", "natural"]
    first = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(pictures["01_human_bodypart.png"]))), first)
    assert data.systems.tolist() == ["monkey IT", "human IT", "human IT, subject AB", "human IT, subject CD"]
    np.testing.assert_array_equal(data.distances[0], distances(4, 0))
    np.testing.assert_allclose(data.distances[3], (distances(4, 12) + distances(4, 13)) / 2)


def test_what_is_missing_or_damaged_is_named(files):
    savemat(files[1], {"other": 1})
    with pytest.raises(DataError, match=r"subjects\.mat: no variable RDMs"):
        kriegeskorte92.read(*files)
    files[0].write_bytes(files[0].read_bytes()[:200])
    with pytest.raises(DataError, match=r"supplement\.mat: not a readable MATLAB file .*store verify"):
        kriegeskorte92.read(*files)


def test_published_files_in_the_store_are_laid_out_without_a_network(reference, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for pin in github.pins(kriegeskorte92.REPOSITORY):
        path = reference / "kriegeskorte92" / Path(pin.path).name
        assert digests.of_file(path, pin.digest) == pin.digest
        blobs.put(path.read_bytes(), pin.digest)
    stage.run(params.load(ROOT / "params.yaml"), "kriegeskorte92")
    assert len(layout.read_images(paths.RAW)) == 92
    assert len(layout.read_dissimilarities(paths.RAW).systems) == 6
    assert layout.read_responses(paths.RAW) is None


def test_the_published_files_give_the_published_correlations(reference, tmp_path):
    from analysis.statistics import RDM, compare_rdms, noise_ceiling, rdm
    from analysis.statistics.rsa.rdm import upper

    names = [Path(name).name for name in (kriegeskorte92.SUPPLEMENT, kriegeskorte92.SUBJECTS)]
    images, data, pictures = kriegeskorte92.read(*(reference / "kriegeskorte92" / name for name in names))
    origin = layout.Origin("92 images", "https://example.org", "x", "x", {})
    layout.write(tmp_path / "raw", images, data, pictures.__getitem__, "kriegeskorte92", origin)
    data = layout.read_dissimilarities(tmp_path / "raw")
    by_name = {name: RDM(row, "correlation") for name, row in zip(data.systems, data.distances, strict=True)}
    monkey = by_name["monkey IT"]
    assert compare_rdms(monkey, by_name["human IT"], "rho-a") == pytest.approx(0.439, abs=5e-4)
    face = (images["category"] == "face").to_numpy()
    animal = face | (images["category"] == "body part").to_numpy()
    assert (len(images), face.sum(), animal.sum()) == (92, 24, 48)
    for label, rho in ((face, 0.241), (animal, 0.393)):
        apart = RDM(upper((label[:, None] != label).astype(float)), "label")
        assert compare_rdms(monkey, apart, "rho-a") == pytest.approx(rho, abs=5e-4)
    pixels = [np.asarray(Image.open(io.BytesIO(pictures[name])), float).ravel() for name in images["file"]]
    assert compare_rdms(monkey, rdm(np.stack(pixels)), "rho-a") == pytest.approx(0.145, abs=5e-4)
    subjects = [matrix for name, matrix in by_name.items() if layout.SUBJECT in name]
    assert len(subjects) == 4
    lower, upper_bound = noise_ceiling(subjects, "rho-a")
    assert 0.3 < lower < upper_bound < 0.7
