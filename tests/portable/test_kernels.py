"""The kernels on this processor, and the machinery of ``nox -s portable``, which also runs them under an emulator."""

import sys

from analysis.core import numerics
from tests.portable import check, emulated


def test_this_processor_computes_what_others_do():
    assert check.different(check.kernels([sys.executable])) == []


def test_native_numerics_are_told_apart(monkeypatch):
    for name in numerics.settings():
        monkeypatch.delenv(name)  # what this process itself was fixed with
    found = check.kernels([sys.executable], NNN_NUMERICS="native")
    assert found.keys() == check.expected().keys()
    assert check.different(found)


def test_a_kernel_of_other_bits_or_none_is_named():
    wanted = check.expected()
    name, *rest = wanted
    assert check.different(wanted | {name: "0" * 16}) == [name]
    assert check.different({key: wanted[key] for key in rest}) == [name]


def test_stages_follow_what_they_need(tmp_path):
    (tmp_path / "dvc.lock").write_text(
        """
stages:
  paper: {cmd: python c, deps: [{path: results}], outs: [{path: paper.pdf}]}
  summary: {cmd: python b, deps: [{path: data}], outs: [{path: results/a.csv}, {path: results/b.csv}]}
  data: {cmd: python a, outs: [{path: data/raw}]}
"""
    )
    stages = emulated.stages(tmp_path)
    assert list(stages) == ["data", "summary", "paper"]
    assert stages["summary"]["outs"] == ["results/a.csv", "results/b.csv"]


def test_a_stage_that_writes_other_bytes_or_fails_is_told_and_harms_no_other(tmp_path):
    project, work = tmp_path / "project", tmp_path / "work"
    (project / "out").mkdir(parents=True)
    (project / "out" / "a").write_text("1")
    (project / "b").write_text("2")
    (project / "dvc.lock").write_text(
        """
stages:
  first: {cmd: python first.py, outs: [{path: out}]}
  second: {cmd: python second.py, deps: [{path: out}], outs: [{path: b}]}
  third: {cmd: python third.py, deps: [{path: b}], outs: []}
"""
    )
    (project / "first.py").write_text("import os; os.mkdir('out'); open('out/a', 'w').write('3')")
    (project / "second.py").write_text("open('b', 'w').write(str(1 + int(open('out/a').read())))")
    (project / "third.py").write_text("import sys; sys.exit('no')")
    found = {outcome.stage: outcome for outcome in emulated.run(project, work, [sys.executable])}
    assert (found["first"].same, found["first"].changed) == (0, ["out/a"])
    assert (found["second"].same, found["second"].changed) == (1, [])  # of what the first should have written
    assert found["third"].failure == "status 1: no"
