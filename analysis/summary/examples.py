"""Examples of a data set's images, for the report on it."""

from analysis.core import paths
from analysis.core.files import write_json
from analysis.stimuli.read import read_table
from analysis.summary.example import Pictures

FILE = "examples.json"
MOST = 16


def write() -> None:
    """Write ``results/examples.json``.

    It holds ``categories``, the number of images of each category, and ``images``: ``category`` and ``jpeg`` (base64)
    of at most `MOST` images, from each category in turn.
    """
    table, pictures = read_table(), Pictures()
    turn = table.groupby("category").cumcount()
    shown = table.assign(turn=turn).sort_values(["turn", "category"], kind="stable")[:MOST].sort_values("category")
    images = [{"category": row.category, "jpeg": pictures.jpeg(row.stem)} for row in shown.itertuples()]
    counts = table["category"].value_counts(sort=False).sort_index().to_dict()
    write_json(paths.RESULTS / FILE, {"categories": counts, "images": images})
