"""Long loops say how far they are: a bar on a terminal, elsewhere a line now and then."""

from analysis.core.progress import track


def test_lines_come_now_and_then(capsys):
    assert list(track("abc", "letters", every_s=0)) == ["a", "b", "c"]
    assert capsys.readouterr().err.splitlines() == [f"letters: {n} of 3 in 0 s" for n in (1, 2, 3)]
    assert list(track(iter("abc"), "letters")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""  # done before the first line is due


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert list(track(iter("abc"), "letters", total=3)) == ["a", "b", "c"]
    assert "letters: 100%" in capsys.readouterr().err
