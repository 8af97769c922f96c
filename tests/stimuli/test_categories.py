"""Categories, labels, groups and splits."""

from collections import Counter

import numpy as np
import pytest

from analysis.core.errors import DataError
from analysis.stimuli import categories as regions
from analysis.stimuli import splits


@pytest.fixture
def rois(tmp_path):
    for name in ["face/a.png", "primary/.DS_Store", "pareidolia/b.jpg", "occluded_face/a.jpg", "primate_face/c.png"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "face.csv").write_text("Filename,x,y,w,h,W,H\nd.jpg,1,2,3,4,5,6\na.jpg,1,2,3,4,5,6\n")
    (tmp_path / "face_metamer.csv").write_text("Filename,x\ne.png,1\n")
    return tmp_path


def test_regions_match_by_stem_and_boxes_count(rois):
    assert regions.read_categories(rois) == {
        "a": {"face", "occluded_face"},
        "b": {"pareidolia"},
        "c": {"primate_face"},
        "d": {"face"},
        "e": {"face_metamer"},
    }


def test_missing_or_wrong_region_files_are_named(rois):
    with pytest.raises(DataError, match="nowhere"):
        regions.read_categories(rois / "nowhere")
    (rois / "face.csv").write_text("name,x\nd.jpg,1\n")
    with pytest.raises(DataError, match=r"face\.csv.*Filename"):
        regions.read_categories(rois)


def test_no_region_is_non_face_only_where_the_authors_looked():
    categories = {"a": {"face"}, "b": {"pareidolia"}}
    shown = {"first": ["a", "x"], "second": ["y", "z"], "third": ["z"]}
    looked_at = regions.annotated_stems(shown, categories)
    assert looked_at == {"a", "b", "x"}
    said = {name: regions.label_of(categories.get(name, set()), name in looked_at) for name in "abxyz"}
    assert said == {"a": "face", "b": "unlabelled", "x": "non-face", "y": "unlabelled", "z": "unlabelled"}
    assert regions.label_of({"face", "pareidolia"}, True) == "face"


def test_published_counts(reference):
    categories = regions.read_categories(reference / "annotations" / "db" / "ROIs" / "Stimuli")
    assert len(categories) == 1685
    assert sum(bool(found & regions.FACE_CATEGORIES) for found in categories.values()) == 1125
    assert len(regions.read_file_names(reference / "report" / "face.csv")) == 1140


def test_published_near_duplicates(reference):
    similar = splits.read_similar(reference / "annotations" / "db" / "similar_images.txt")
    stems = sorted({name for line in similar for name in line})
    assert len(similar) == 35
    assert max(len(set(line)) for line in similar) == 32
    groups = splits.group_near_duplicates(stems, similar)
    number = dict(zip(stems, groups, strict=True))
    assert all(len({number[name] for name in line}) == 1 for line in similar)


def test_groups_are_linked_by_chains_and_by_absent_images():
    similar = [["a", "b"], ["c", "d"], ["b", "z"], ["z", "e"]]
    assert splits.group_near_duplicates(list("abcdefa"), similar).tolist() == [0, 0, 1, 1, 0, 2, 0]


def test_a_wrong_list_of_near_duplicates_is_named(tmp_path):
    with pytest.raises(DataError, match=r"similar\.txt"):
        splits.read_similar(tmp_path / "similar.txt")


def test_splits_keep_groups_whole_and_shares_in_every_label():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(400), rng.integers(1, 4, 400))
    label = np.array(["face", "non-face", "non-face", "unlabelled"], dtype=object)[groups % 4]
    parts = splits.split_groups(groups, label, 0.15, 0.25, 628)
    assert all(len(set(parts[groups == number])) == 1 for number in range(400))
    for name, size in Counter(label[np.unique(groups, return_index=True)[1]]).items():
        first = np.unique(groups, return_index=True)[1]
        here = Counter(parts[first][label[first] == name])
        assert here == {"test": size // 4, "validation": size * 15 // 100, "train": size * 6 // 10}
    assert (parts == splits.split_groups(groups, label, 0.15, 0.25, 628)).all()
    assert (parts != splits.split_groups(groups, label, 0.15, 0.25, 629)).any()
    with pytest.raises(DataError, match="leave a share for training"):
        splits.split_groups(groups, label, 0.5, 0.5, 628)


def test_the_split_of_one_label_does_not_depend_on_the_others():
    groups = np.arange(100)
    label = np.array(["face", "non-face"] * 50, dtype=object)
    both = splits.split_groups(groups, label, 0.15, 0.25, 1)
    alone = splits.split_groups(groups[::2], label[::2], 0.15, 0.25, 1)
    assert (both[::2] == alone).all()


def test_the_reports_split_is_balanced_and_stratified():
    label = np.array(["face"] * 50 + ["non-face"] * 150, dtype=object)
    parts = splits.split_report(label)
    assert Counter(zip(label, parts, strict=True)) == {
        ("face", "train"): 40,
        ("face", "test"): 10,
        ("non-face", "train"): 40,
        ("non-face", "test"): 10,
        ("non-face", ""): 100,
    }
    assert set(splits.split_report(["face"] * 5)) == {""}
