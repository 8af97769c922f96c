"""The source V4: the real session, and a small published one over loopback with the faults of a network."""

import dataclasses
import hashlib
import io
import zipfile

import numpy as np
import pytest

from analysis import params
from analysis.acquire.real import blobs, digests, keep, sources
from analysis.acquire.recorded import layout, stage, v4
from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.store import store_root
from tests import recorded_set
from tests.acquire.world import some_bytes
from tests.project import ROOT
from tests.servers.github import GitHub
from tests.servers.loopback import Fault, serve

IMAGES, RESPONSES = (
    f"{v4.FOLDER}/{name}" for name in ("images/images_210325.zip", "responses_raw/responses_210325.npy")
)


def git_name(data: bytes) -> str:
    return "git-" + hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def values(session: str = "210325"):
    whole = params.load(ROOT / "params.yaml")
    entry = whole.recorded.datasets.entry("v4").model_copy(update={"session": session})
    datasets = whole.recorded.datasets.model_copy(update={"v4": entry})
    return whole.model_copy(update={"recorded": whole.recorded.model_copy(update={"datasets": datasets})})


def published(n_images: int = 8, n_names: int | None = None) -> dict[str, bytes]:
    """Return the files of a small session: 3 units, `n_images` images, up to 4 repeats."""
    counts = np.random.default_rng(3).poisson(2.0, (3, n_images, 4)).astype(float)
    counts[:, ::3, 2:] = np.nan
    responses, archive = io.BytesIO(), io.BytesIO()
    np.save(responses, counts)
    with zipfile.ZipFile(archive, "w") as file:
        for k, data in enumerate(list(recorded_set.files().values())[: n_names or n_images]):
            file.writestr(f"image{k + 1:04d}.jpg", data)
        file.writestr("readme.txt", some_bytes("readme", 200_000))
    return {IMAGES: archive.getvalue(), RESPONSES: responses.getvalue()}


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Return a function that publishes files at the address that the source asks, and pins them."""
    monkeypatch.setattr(v4, "BLOCKS", {"210325": (4, ("car", "face"))})
    with serve(GitHub(folder=tmp_path / "github")) as server:
        monkeypatch.setenv("NNN_GITHUB_RAW", server.base)
        monkeypatch.chdir(tmp_path)

        def put(files: dict[str, bytes], sized: bool = True) -> GitHub:
            lines = [f"{git_name(data)}  {len(data) if sized else '-'}  {path}\n" for path, data in files.items()]
            pins = tmp_path / "v4.txt"
            pins.write_text("".join(lines))
            monkeypatch.setattr(v4, "REPOSITORY", dataclasses.replace(v4.REPOSITORY, pins=pins))
            for path, data in files.items():
                target = server.folder / v4.REPOSITORY.name / v4.REPOSITORY.commit / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            return server

        yield put


@pytest.mark.parametrize("sized", [True, False])
def test_a_session_is_fetched_once_and_laid_out(publish, sized):
    files = published()
    server = publish(files, sized)
    stage.run(values(), "v4")
    counts = np.load(io.BytesIO(files[RESPONSES]))
    found, images = layout.read_responses(paths.RAW), layout.read_images(paths.RAW)
    assert images["image_id"].tolist() == [f"image{k:04d}" for k in range(1, 9)]
    assert images["category"].tolist() == ["car"] * 4 + ["face"] * 4
    assert found.rates.shape == (np.isfinite(counts[0]).sum(), 3)
    for row, (image, repetition) in enumerate(zip(found.image_ids, found.repetitions, strict=True)):
        assert (found.rates[row] == 10 * counts[:, int(image[5:]) - 1, repetition]).all()
    asked = len(server.log)
    assert len(server.asked("images_210325")) == (1 if sized else 2)
    stage.run(values(), "v4")
    assert len(server.log) == asked


def test_a_download_goes_on_where_it_was_cut(publish, tmp_path):
    files = published()
    server = publish(files)
    server.faults = [Fault("images_210325", "cut", at=100_000)]
    stage.run(values(), "v4")
    first, second = server.asked("images_210325")
    assert first.start is None
    assert 0 < second.start <= 100_000
    assert (paths.RAW / "images/image0003.jpg").read_bytes() == recorded_set.files()["image0002.png"]


def test_another_file_than_the_pinned_one_is_refused_and_nothing_is_lost(publish):
    files = published()
    server = publish(files)
    stage.run(values(), "v4")
    before = (paths.RAW / "manifest.json").read_bytes()
    publish(files | {RESPONSES: files[RESPONSES] + b"x"})
    server.faults = [Fault("responses_210325", "corrupt", times=-1)]
    with pytest.raises(
        DataError, match=r"responses_210325\.npy: gave up after 3 tries \(the content does not match"
    ) as caught:
        stage.run(values(), "v4")
    assert "\n" not in str(caught.value)
    assert (paths.RAW / "manifest.json").read_bytes() == before


def test_a_session_that_was_not_published_is_one_line(publish):
    server = publish(published())
    with pytest.raises(DataError, match=r"no images and responses of session 990101 .*; sessions with both are 210325"):
        stage.run(values("990101"), "v4")
    assert server.log == []


def test_fewer_images_than_responses_are_one_line(publish):
    publish(published(n_names=7))
    with pytest.raises(DataError, match="session 210325: 7 images for responses to 8"):
        stage.run(values(), "v4")
    assert not paths.RAW.exists()


def test_files_that_are_something_else_are_one_line(publish):
    for files, message in (
        (published() | {RESPONSES: b"nothing"}, "responses cannot be read"),
        (published() | {IMAGES: b"nothing"}, "images are no zip archive"),
    ):
        publish(files)
        with pytest.raises(DataError, match=message):
            stage.run(values(), "v4")


def test_an_address_without_the_files_is_one_line(publish):
    server = publish(published(), sized=False)
    for path in server.folder.rglob("*.zip"):
        path.unlink()
    with pytest.raises(DataError, match=r"images_210325\.zip: the server returned 404"):
        stage.run(values(), "v4")


def test_the_committed_pins_name_both_files_of_the_session_by_default():
    pins = sources.parse_pins((sources.RECORDED_PINS / "v4.txt").read_text())
    assert len(pins) == 95
    assert {pin.path for pin in v4.files_of("210325").values()} == {IMAGES, RESPONSES}
    with pytest.raises(DataError, match="no images of session 201016"):
        v4.files_of("201016")


def test_files_of_the_store_are_named_and_damage_is_noticed(publish):
    publish(published())
    stage.run(values(), "v4")
    damaged = next(path for path in blobs.blobs() if path.name == git_name(published()[RESPONSES]))
    assert not keep.verify()
    damaged.chmod(0o644)
    damaged.write_bytes(b"other")
    assert keep.verify() == [damaged.name]
    assert store_root().is_dir()


def test_the_real_session(real_v4, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stage.run(values(), "v4")
    found, images = layout.read_responses(paths.RAW), layout.read_images(paths.RAW)
    assert found.rates.shape == (4840, 50)
    assert images["category"].value_counts(sort=False).to_dict() == dict.fromkeys(v4.BLOCKS["210325"][1], 80)
    faces = images["image_id"][images["category"] == "face"].tolist()
    assert (faces[0], faces[-1]) == ("image0161", "image0240")
    showings = np.unique(found.image_ids, return_counts=True)[1]
    assert (showings.min(), showings.max()) == (6, 10)
    raw = np.load(real_v4 / "responses_raw_210325.npy")
    means = np.stack([found.rates[found.image_ids == image].mean(axis=0) for image in images["image_id"][:40]])
    assert np.allclose(means / 10, np.nanmean(raw[:, :40], axis=2).T, atol=1e-5)


@pytest.mark.parametrize("kind", ["git-", "sha1-", ""])
def test_digests_of_files(tmp_path, kind):
    data = b"spikes" * 1000
    path = tmp_path / "file"
    path.write_bytes(data)
    oracle = {
        "git-": git_name(data),
        "sha1-": "sha1-" + hashlib.sha1(data).hexdigest(),
        "": hashlib.sha256(data).hexdigest(),
    }
    assert digests.of_file(path, oracle[kind]) == oracle[kind]
    with pytest.raises(ValueError, match="is no digest"):
        digests.check(oracle[kind][:-1])
