"""What readers give: tables as other programs write them, pipes and folders for files, files of another kind."""

import os
from collections.abc import Callable
from pathlib import Path

import h5py

from tests.faults.case import Case, mode, one, params, together, write
from tests.faults.cases.outputs import DB, INTACT, MAIN, RASTERS, TABLE, folder_at, pipe_at, responses
from tests.faults.cases.store import here

AUDIT = "audit table t.csv --label label --block block --out out"
LABELS = "audit table t.csv --label labels.csv --out out"
RECORDING = f"recording {MAIN} {RASTERS} --annotations {DB} --out x.nc"


def table(change: Callable[[str], str], encoding: str = "utf-8") -> Callable[[Path], None]:
    """Return the fault of a table to audit, t.csv, whose text is changed."""

    def apply(folder: Path) -> None:
        responses("t.csv")(folder)
        path = folder / "t.csv"
        path.write_bytes(change(path.read_text(encoding="utf-8")).encode(encoding))

    return apply


def row(number: int, change: Callable[[str], str]) -> Callable[[str], str]:
    """Return the change of one line of a text, 0 being the header."""

    def apply(text: str) -> str:
        lines = text.splitlines()
        lines[number] = change(lines[number])
        return "\n".join(lines)

    return apply


def every(change: Callable[[str], str]) -> Callable[[str], str]:
    """Return the change of all lines of a text."""
    return lambda text: "\n".join(map(change, text.splitlines()))


def labelled(text: str) -> Callable[[Path], None]:
    """Return the fault of a table without labels, and of labels.csv that holds `text`."""
    bare = every(lambda line: ",".join([line.split(",")[0], *line.split(",")[3:]]))
    return together(table(bare), write("labels.csv", text))


NAMES = [f"i{n}.png,{'face' if n % 2 else 'other'}" for n in range(60)]
TABLES = {
    "repeated-column": (table(row(0, lambda line: line.replace("u2", "u1"))), "two columns are named 'u1'"),
    "row-numbers": (table(every(lambda line: f"0,{line}" if line[0] == "i" and "u1" not in line else f",{line}")),
                    r"column 1 has no name: name it, or remove it \(pandas: index=False\)"),
    "long-rows": (table(lambda text: text.replace("\n", ",9\n")), r"cells for \d+ columns: mend it"),
    "comma-at-the-end": (table(lambda text: row(0, lambda line: line[:-1])(every(lambda line: line + ",")(text))),
                         "row 1 has 10 cells for 9 columns"),
    "long-row": (table(row(10, lambda line: line + ",9")), "row 10 has 10 cells for 9 columns"),
    "short-row": (table(row(10, lambda line: line.rsplit(",", 2)[0])), "row 10 has 7 cells for 9 columns"),
    "cut": (table(lambda text: text[:-5]), r"row 60 has \d cells for 9 columns"),
    "semicolons": (table(lambda text: text.replace(",", ";")), "columns are separated by ';'"),
    "tabs": (table(lambda text: text.replace(",", "\t")), r"columns are separated by '\\t'"),
    "latin-1": (table(lambda text: text.replace("i3.png", "ü3.png"), "latin-1"), r"is not UTF-8 \(byte \d+\)"),
    "utf-16": (table(lambda text: text, "utf-16"), r"is not UTF-8 \(byte 1\)"),
    "comment": (table(lambda text: f"# mine\n{text}"), "cells for 1 columns"),
    "header-alone": (table(lambda text: text.splitlines()[0]), "has no rows"),
    "huge": (table(row(3, lambda line: line.rsplit(",", 1)[0] + ",1e308")), r"holds 1e\+308 in row 3"),
    "endless-number": (table(row(3, lambda line: line.rsplit(",", 1)[0] + "," + "9" * 400)), "beyond 1e.100"),
    "pipe": (pipe_at("t.csv"), "is a device or pipe; give a csv file"),
    "folder": (folder_at("t.csv"), "is a folder; give a csv file"),
}  # fmt: skip
LISTS = {
    "two-labels-of-one": ([*NAMES, "i3.png,other"], "image 'i3.png' has the label 'face' and 'other': keep one row"),
    "empty-label": ([*NAMES[:-1], "i59.png,"], "the label of image 'i59.png' is empty"),
    "long-rows": ([f"{line},x" for line in NAMES], "row 1 has 3 cells for 2 columns"),
}
ODD = {
    "octal": ("seed: 0777", "seed = 0777: write it as a decimal number"),
    "base-60": ("seed: 10:28", "seed = 10:28: write it as a decimal number"),
    "no-text": ("seed: 1\n~: 2", r"has the key None, which is not text: remove it"),
    "a-list": ("seed: 1\n? [a, b]\n: 1", r"is not YAML: .* found unhashable key"),
}
VARIABLES = {
    "tilde": ("NNN_STORE", "~/x", r"NNN_STORE='~/x': give the whole path of a folder"),
    "dollar": ("NNN_STORE", "$HOME/x", r"NNN_STORE='\$HOME/x': give the whole path"),
    "long": ("NNN_STORE", "/tmp/" + 300 * "x", r"the store \S+ cannot be written: File name too long; set NNN_STORE"),
    "many-workers": ("NNN_WORKERS", "99999999999", r"NNN_WORKERS='9+': give a whole number of workers from 1 to 1024$"),
    "no-host": ("NNN_DANDI_API", "https://", r"NNN_DANDI_API='https://': give an address"),
}
FOREIGN = """
import os, sys
from torch import nn
class Foreign(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how, self.layer = how, nn.Conv2d(3, 4, 3)
    def forward(self, x):
        sys.exit(0) if self.how == "exit" else os.chdir("/")
        return self.layer(x)
"""


def foreign(how: str) -> Callable[[Path], None]:
    """Return the fault of a reader's network that interferes with the program."""
    entry = {"kind": "own", "protocol": "corrected", "size": 32, "C": 0.1, "module": "foreign:Foreign", "weights": None}
    entry |= {"arguments": {"how": how}, "layers": ["layer"], "mean": [0.5] * 3, "std": [0.2] * 3}
    entry |= {"activations": {"pool": 2, "features": 1000, "patches": 0}}
    return together(write("foreign.py", FOREIGN), params(models__foreign=entry))


def external(folder: Path) -> None:
    """Let the rasters lie in a file that is not there."""
    with h5py.File(one(folder, RASTERS), "a") as file:
        del file["processing/ecephys/rasters/data"]
        file["processing/ecephys/rasters/data"] = h5py.ExternalLink("elsewhere.h5", "/data")


def no_home() -> None:
    """Let the user have no home folder, as one whom a container does not know."""
    for name in ("HOME", "NNN_STORE", "XDG_CACHE_HOME"):
        os.environ.pop(name, None)
    import pwd

    def unknown(_: int) -> None:
        raise KeyError

    pwd.getpwuid = unknown


CASES = [
    *(Case(f"audit-of-{name}", AUDIT, said, fault, lines=1) for name, (fault, said) in TABLES.items()),
    *(
        Case(f"audit-by-{name}", LABELS, said, labelled("\n".join(["image,label", *lines])), lines=1)
        for name, (lines, said) in LISTS.items()
    ),
    Case("audit-block-as-unit", "audit table t.csv --label label --out out",
         "column 'block' would count as a unit: give --block block", table(lambda text: text), lines=1),
    Case("audit-by-Label", LABELS, "name the column 'label', not 'Label'",
         labelled("\n".join(["image,Label", *NAMES])), lines=1),
    Case("predict-of-pipe", "predict hmo --image x.png", "is a device or pipe; give an image file", pipe_at("x.png"),
         lines=1),
    Case("predict-of-folder", "predict hmo --image models", "is a folder; give an image file", lines=1),
    Case("inspect-of-rdms", "inspect results/compare/hmo/rdms.nc",
         r"is not a recording \(its dimensions: image, other\)", lines=1),
    Case("export-of-predictions", "export-assembly results/compare/hmo/predictions.nc x.nc",
         "is not a recording", lines=1),
    Case("inspect-of-main", f"inspect {MAIN}", "is not the name of a recording: give a name, or a netCDF", lines=1),
    Case("inspect-of-main-there", f"inspect ../{TABLE[:-3]}", "is not the name of a recording", lines=1),
    Case("annotations-a-file", RECORDING.replace(DB, MAIN), "Not a directory; check the path", intact=INTACT, lines=1),
    Case("external-link", RECORDING, r"rasters/data lies in elsewhere\.h5, which is not there", external, lines=1),
    Case("diff-with-nothing", "diff nothing", "nothing is no folder: give another copy", lines=1),
    *(
        Case(f"params-{name}", "check", said, write("params.yaml", text), lines=99, linked=True)
        for name, (text, said) in ODD.items()
    ),
    Case("params-misspelt", "check", r"^error: params\.yaml: unknown key recordings\.permutation; did you mean "
         r"permutations\?$", params(recordings={"window_ms": 200, "permutation": 9, "failures_allowed": 0}), lines=1,
         linked=True),
    *(
        Case(f"check-store-{name}", "check", said, env={variable: value}, lines=1, linked=True)
        for name, (variable, value, said) in VARIABLES.items()
    ),
    Case("check-no-home", "check", "this user has no home folder to hold the store: set NNN_STORE", within=no_home,
         lines=1, linked=True),
    Case("store-nowhere", "train pixels", r"cannot write /proc/nowhere/\S+: .* \(choose another place",
         env={"NNN_STORE": "/proc/nowhere"}, lines=1),
    Case("store-nowhere-candidates", "candidates", r"cannot write /proc/nowhere/\S+: .* \(choose another place",
         env={"NNN_STORE": "/proc/nowhere"}, lines=1, intact=("results/candidates",)),
    Case("version-of-a-copy", "$ python -m analysis --version", "which says its version: clone the project", lines=1),
    *(
        Case(f"closed-{name}", f"$ python -m analysis inspect {TABLE} {closed}", "^$", status=0, lines=0)
        for name, closed in {"output": ">&-", "input": "<&-", "all": ">&- 2>&- <&-"}.items()
    ),
    Case("name-beyond-ascii", f"$ PYTHONIOENCODING=ascii python -m analysis export-assembly {TABLE} é.nc", "^$",
         status=0, lines=0),
    Case("backend-of-a-notebook", f"inspect {TABLE} --plot --out x.png", "^$", status=0, lines=0,
         env={"MPLBACKEND": "module://none"}),
    Case("little-memory", "$ ulimit -v 400000; python -m analysis train hmo",
         r"^error: memory or processes ran out \(.*\): lower NNN_WORKERS", lines=1),
    *(
        Case(f"crate-of-damaged-{name}", "crate --force", said, write(path, text), lines=1)
        for name, path, text, said in (
            ("lock", "dvc.lock", "stages: [", r"dvc\.lock cannot be read \(.*\): restore it"),
            ("empty-lock", "dvc.lock", "", r"dvc\.lock is damaged \(no keys\)"),
            ("pipeline", "dvc.yaml", "x: [", r"dvc\.yaml cannot be read"),
        )
    ),
    *(
        Case(f"train-{name}", f"train {words}", said, lines=1, linked=True)
        for name, words, said in (
            ("nothing", "''", "params.yaml has no '': choose one of"),
            ("a-command", "'a;touch X'", "params.yaml has no 'a;touch X': choose one of"),
            ("an-option", "-- -x", "stage train: give one model"),
        )
    ),
    Case("folder-forbidden", "neural corrected", "corrected cannot be read: you have no permission",
         mode("data/recordings/corrected", 0), unprivileged=True, lines=1),
    Case("module-that-exits", "train foreign", r"foreign\.py, line 9, in forward: SystemExit: 0", foreign("exit"),
         within=here, lines=1),
    Case("module-that-leaves", "train foreign", "^$", foreign("leave"), status=0, within=here, lines=0),
]  # fmt: skip
