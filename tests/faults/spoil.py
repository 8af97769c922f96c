"""Ways to spoil a file: cut it, replace it by another kind, delete it, or make it valid and foreign."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cc`\0\0\0\x02"
PNG += b"\0\x01H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82"
"""An image of one pixel."""

CUT_BYTES = 60

Spoil = Callable[[Path], None]


def spoilings(path: Path) -> dict[str, Spoil]:
    """Return, by name, the ways to spoil a file of this kind."""
    found = {
        "empty": _bytes(lambda data: b""),
        "60 bytes": _bytes(lambda data: data[:CUT_BYTES]),
        # Cut at the end of a line, a table is a shorter table ("last row lost"), which DVC alone tells.
        "half": _bytes(lambda data: data[: len(data) // 2].rstrip(b"\n")),
        "gone": Path.unlink,
        "another kind": _bytes(lambda data: b'{"a": 1}\n' if data[:1] in (b"\x89", b"P") else PNG),
    }
    return found | dict(FOREIGN.get(path.suffix, lambda path: ())(path))


def _bytes(change: Callable[[bytes], bytes]) -> Spoil:
    def spoil(path: Path) -> None:
        data = path.read_bytes()
        path.unlink()  # it may be a link to the original
        path.write_bytes(change(data))

    return spoil


def _csv(path: Path) -> Iterator[tuple[str, Spoil]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows or len(rows[0]) < 2:
        return
    for k, name in enumerate(rows[0]):
        yield f"no column {name}", _rewritten(rows, lambda row, k=k: row[:k] + row[k + 1 :])
    for k, name in enumerate(rows[0]):
        if len(rows) > 1 and any(_is_number(row[k]) for row in rows[1:]):
            changed = [[*row[:k], "x", *row[k + 1 :]] if number == 1 else row for number, row in enumerate(rows)]
            yield f"text in column {name}", _rewritten(changed)
    if len(rows) > 2:
        yield "last row lost", _rewritten(rows[:-1])


def _rewritten(rows: list[list[str]], change: Callable[[list[str]], list[str]] = list) -> Spoil:
    def spoil(path: Path) -> None:
        path.unlink()
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(map(change, rows))

    return spoil


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _json(path: Path) -> Iterator[tuple[str, Spoil]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    yield "a list" if isinstance(content, dict) else "a dict", _dumped({} if isinstance(content, list) else [])
    yield "a number", _dumped(1)
    if isinstance(content, list) and content:
        yield "last item lost", _dumped(content[:-1])
        content, wrap = content[0], lambda item: [item, *content_rest]
        content_rest = json.loads(path.read_text(encoding="utf-8"))[1:]
    else:
        wrap = lambda item: item  # noqa: E731
    if isinstance(content, dict):
        for key, value in content.items():
            yield f"no key {key}", _dumped(wrap({k: v for k, v in content.items() if k != key}))
            wrong = [] if not isinstance(value, list) else 1
            yield f"another type of {key}", _dumped(wrap(content | {key: wrong}))


def _dumped(content: object) -> Spoil:
    return _bytes(lambda data: json.dumps(content).encode())


def _npy(path: Path) -> Iterator[tuple[str, Spoil]]:
    array = np.load(path)
    yield "last row lost", _saved(array[:-1])
    yield "text", _saved(array.astype("U3"))
    yield "one dimension", _saved(array.ravel())
    yield "objects", _saved(np.array([None, "x"], object))


def _saved(array: np.ndarray) -> Spoil:
    def spoil(path: Path) -> None:
        path.unlink()
        np.save(path, array)

    return spoil


def _nc(path: Path) -> Iterator[tuple[str, Spoil]]:
    import h5netcdf

    with h5netcdf.File(path, "r") as file:
        if file.groups:  # predictions.nc
            return
        names = list(file.variables)
        attributes = list(file.attrs)
        dimensions = list(file.dimensions)
    for name in names:
        yield f"no variable {name}", _dataset(lambda data, name=name: data.drop_vars(name))
        yield f"text in {name}", _dataset(lambda data, name=name: _as_text(data, name))
    for name in attributes:
        yield f"no attribute {name}", _dataset(lambda data, name=name: _without(data, name))
    for name in dimensions:
        yield f"last of {name} lost", _dataset(lambda data, name=name: data.isel({name: slice(None, -1)}))


def _as_text(data, name: str):
    values = data[name]
    return data.drop_vars(name).assign({name: (values.dims, np.full(values.shape, "x"), values.attrs)})


def _without(data, name: str):
    return (
        data.assign_attrs({})
        .drop_attrs(deep=False)
        .assign_attrs({key: value for key, value in data.attrs.items() if key != name})
    )


def _dataset(change: Callable) -> Spoil:
    def spoil(path: Path) -> None:
        import xarray as xr

        with xr.open_dataset(path, engine="h5netcdf") as opened:
            data = change(opened.load())
        path.unlink()
        data.to_netcdf(path, engine="h5netcdf")

    return spoil


def _safetensors(path: Path) -> Iterator[tuple[str, Spoil]]:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(path)
    name = sorted(tensors)[0]

    def saved(changed: dict) -> Spoil:
        def spoil(path: Path) -> None:
            path.unlink()
            save_file(changed, path)

        return spoil

    yield f"no tensor {name}", saved({key: value for key, value in tensors.items() if key != name})
    yield f"another shape of {name}", saved(tensors | {name: np.zeros((7, 7, 7), np.float32)})


FOREIGN: dict[str, Callable[[Path], Iterator[tuple[str, Spoil]]]] = {
    ".csv": _csv,
    ".json": _json,
    ".npy": _npy,
    ".nc": _nc,
    ".safetensors": _safetensors,
}
"""By the ending of the file: valid files that another run, version or program might have written."""
