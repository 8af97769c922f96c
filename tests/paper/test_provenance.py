import subprocess
from pathlib import Path

import pytest
import yaml

from analysis.core.errors import DataError
from paper import provenance
from tests.project import ROOT


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_trees_are_those_of_git(tmp_path):
    code = tmp_path / "code"
    (code / "a.b").mkdir(parents=True)
    (code / "a" / "__pycache__").mkdir(parents=True)
    (code / "figures").mkdir()
    for name in ("a/x.py", "a.b/y.py", "a-c", "z", "run"):
        (code / name).write_text(name)
    (code / "run").chmod(0o755)
    (code / "a" / "__pycache__" / "x.pyc").write_text("")
    (code / "figures" / "plot.svg").write_text("")
    (code / "report.pdf").write_text("")
    before = provenance.git_tree(code)
    (tmp_path / ".gitignore").write_text("__pycache__\nfigures\nreport.pdf\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "x")
    assert git(tmp_path, "rev-parse", "HEAD:code") == before
    (code / "z").write_text("other")
    assert provenance.git_tree(code) != before


def test_every_file_has_its_stage(monkeypatch):
    monkeypatch.chdir(ROOT)
    known = provenance.stages()
    assert provenance.stage_of("results/compare/hmo_report/rdms.nc", known) == "compare@hmo_report"
    assert provenance.stage_of("results/audit/shapley.csv", known) == "audit"
    assert provenance.stage_of("results/summary.json", known) == "summary"
    with pytest.raises(DataError, match=r"no stage of dvc\.yaml writes results/none\.csv"):
        provenance.stage_of("results/none.csv", known)


def test_the_report_depends_on_all_that_it_names():
    # a file that the tree of paper/ covers but the stage does not would make the printed tree wrong without a rebuild
    deps = [Path(dep) for dep in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["report"]["deps"]]
    assert Path("analysis") in deps
    files = [path.relative_to(ROOT) for path in (ROOT / "paper").rglob("*") if path.is_file()]
    mine = [path for path in files if not any(provenance.GENERATED.fullmatch(part) for part in path.parts)]
    assert [str(path) for path in mine if not {path, *path.parents} & set(deps)] == []
