"""What labels by file name lose, and what a classifier that sees only the file format would score."""

import numpy as np
import pandas as pd

FACE_LIKE = frozenset(
    {"face", "primate_face", "other_face", "occluded_face", "primate_face_clutter", "primate_face_clutter_inverted"}
)
"""Categories of images that show a face, of whatever kind; metamers and pareidolia do not."""


def lost(table: pd.DataFrame) -> pd.DataFrame:
    """Count images by category and by what the report's file names call them.

    Parameters
    ----------
    table : DataFrame
        ``images.csv`` of the stage stimuli.

    Returns
    -------
    DataFrame
        One row per category (several joined by "+"): category, images, called_face, called_non_face.
    """
    rows = []
    for category, part in table.groupby("category", sort=True):
        called = (part["label_report"] == "face").sum()
        rows.append(
            {
                "category": category,
                "images": len(part),
                "called_face": int(called),
                "called_non_face": int(len(part) - called),
            }
        )
    return pd.DataFrame(rows)


def is_face_like(category: pd.Series) -> np.ndarray:
    """Return which images carry a face-like category (several joined by "+"), shape (n,) bool."""
    return np.array([bool(FACE_LIKE & set(one.split("+"))) for one in category], bool)


def format_shortcut(extension: np.ndarray, label: np.ndarray, split: np.ndarray) -> dict:
    """Score a classifier that sees nothing but the file format.

    For each format it says the label that is commoner there (each label weighted to the same total) among training
    images, and is tested on test images.

    Parameters
    ----------
    extension, label, split : (n_images,) str
        Labels ``face`` and ``non-face``; other images, and other splits than ``train`` and ``test``, are left out.

    Returns
    -------
    dict
        accuracy, balanced_accuracy, n_test, share_jpg_face, share_jpg_non_face (over all labelled images).
    """
    extension = np.char.lower(np.char.lstrip(np.asarray(extension, str), "."))
    known = np.isin(label, ["face", "non-face"])
    train, test = known & (split == "train"), known & (split == "test")
    said = {}
    for one in np.unique(extension[train]):
        here = extension[train] == one
        shares = {
            k: (here & (label[train] == k)).sum() / max((label[train] == k).sum(), 1) for k in ("face", "non-face")
        }
        said[one] = "face" if shares["face"] > shares["non-face"] else "non-face"
    predicted = np.array([said.get(one, "non-face") for one in extension[test]])
    hit = predicted == label[test]
    recall = [hit[label[test] == k].mean() for k in ("face", "non-face") if (label[test] == k).any()]
    jpg = np.isin(extension, ["jpg", "jpeg"])
    return {
        "accuracy": float(hit.mean()) if len(hit) else None,
        "balanced_accuracy": float(np.mean(recall)) if len(recall) == 2 else None,
        "n_test": int(test.sum()),
        "share_jpg_face": float(jpg[label == "face"].mean()) if (label == "face").any() else None,
        "share_jpg_non_face": float(jpg[label == "non-face"].mean()) if (label == "non-face").any() else None,
    }


def audit(table: pd.DataFrame) -> dict:
    """Return the label audit of ``images.csv``: face-like images called non-face, and the format shortcut.

    The shortcut is computed for the report's labels and splits and for the regions' ones.
    """
    face_like = is_face_like(table["category"])
    report = table["label_report"].to_numpy(str)
    columns = {"filename": ("label_report", "split_report"), "roi": ("label", "split")}
    return {
        "face_like": int(face_like.sum()),
        "face_like_called_non_face": int((face_like & (report == "non-face")).sum()),
        "format_only": {
            name: format_shortcut(table["extension"].to_numpy(str), *(table[c].to_numpy(str) for c in pair))
            for name, pair in columns.items()
        },
    }
