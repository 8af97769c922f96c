"""JSON files in every bad state are named."""

import pytest

from analysis.core import files
from analysis.core.errors import DataError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is damaged or not JSON (Expecting value: line 1 column 1 (char 0)): run x"),
        ('{"a": 1', "is damaged or not JSON (Expecting"),
        ("\udce9", "is damaged or not JSON ('utf-8' codec"),
        ("[1]", "holds a list, not a dict: run x"),
        (None, "not found: run x"),
    ],
)
def test_json_that_cannot_be_read_is_named(tmp_path, text, said):
    path = tmp_path / "x.json"
    if text is not None:
        path.write_text(text, errors="surrogateescape")
    with pytest.raises(DataError) as caught:
        files.read_json(path, "run x")
    assert str(caught.value).startswith(f"{path} {said}")
    assert "\n" not in str(caught.value)
