"""Face labels: which faces the report's file names miss, and how well the file format alone predicts the label."""

import numpy as np
import pandas as pd

FACE_LIKE = frozenset(
    {"face", "primate_face", "other_face", "occluded_face", "primate_face_clutter", "primate_face_clutter_inverted"}
)
"""Categories of images that show a face of any kind; metamers and pareidolia do not count."""


def count_by_category(images: pd.DataFrame) -> pd.DataFrame:
    """Count, in each category, the images that the report's file names call faces and non-faces.

    Parameters
    ----------
    images : DataFrame
        ``images.csv`` of the stage stimuli.

    Returns
    -------
    DataFrame
        One row per category (several joined by "+"): category, images, called_face, called_non_face.
    """
    rows = []
    for category, group in images.groupby("category", sort=True):
        n_face = int((group["label_report"] == "face").sum())
        rows.append(
            {
                "category": category,
                "images": len(group),
                "called_face": n_face,
                "called_non_face": len(group) - n_face,
            }
        )
    return pd.DataFrame(rows)


def is_face_like(category: pd.Series) -> np.ndarray:
    """Return which images have a face-like category (several joined by "+"), (n_images,) bool."""
    return np.array([bool(FACE_LIKE & set(names.split("+"))) for names in category], bool)


def score_file_format(extension: np.ndarray, label: np.ndarray, split: np.ndarray) -> dict:
    """Score a classifier that sees only the file format.

    For each format it predicts the label that is more common among the training images in that format, with both labels
    given the same total weight. It is scored on the test images.

    Parameters
    ----------
    extension, label, split : (n_images,) str
        Labels other than ``face`` and ``non-face``, and splits other than ``train`` and ``test``, are left out.

    Returns
    -------
    dict
        accuracy, balanced_accuracy, n_test, share_jpg_face, share_jpg_non_face (over all labelled images).
    """
    extension = np.char.lower(np.char.lstrip(np.asarray(extension, str), "."))
    labelled = np.isin(label, ["face", "non-face"])
    train, test = labelled & (split == "train"), labelled & (split == "test")
    label_of_format = {}
    for name in np.unique(extension[train]):
        here = extension[train] == name
        shares = {
            k: (here & (label[train] == k)).sum() / max((label[train] == k).sum(), 1) for k in ("face", "non-face")
        }
        label_of_format[name] = "face" if shares["face"] > shares["non-face"] else "non-face"
    predicted = np.array([label_of_format.get(name, "non-face") for name in extension[test]])
    correct = predicted == label[test]
    recall = [correct[label[test] == k].mean() for k in ("face", "non-face") if (label[test] == k).any()]
    jpg = np.isin(extension, ["jpg", "jpeg"])
    return {
        "accuracy": float(correct.mean()) if len(correct) else None,
        "balanced_accuracy": float(np.mean(recall)) if len(recall) == 2 else None,
        "n_test": int(test.sum()),
        "share_jpg_face": float(jpg[label == "face"].mean()) if (label == "face").any() else None,
        "share_jpg_non_face": float(jpg[label == "non-face"].mean()) if (label == "non-face").any() else None,
    }


def summarise(images: pd.DataFrame) -> dict:
    """Return how many face-like images the report calls non-faces, and what the file format alone predicts.

    The format is scored with the report's labels and splits (``filename``) and with the corrected ones (``roi``).
    """
    face_like = is_face_like(images["category"])
    report = images["label_report"].to_numpy(str)
    columns = {"filename": ("label_report", "split_report"), "roi": ("label", "split")}
    extension = images["extension"].to_numpy(str)
    return {
        "face_like": int(face_like.sum()),
        "face_like_called_non_face": int((face_like & (report == "non-face")).sum()),
        "format_only": {
            name: score_file_format(extension, *(images[column].to_numpy(str) for column in pair))
            for name, pair in columns.items()
        },
    }
