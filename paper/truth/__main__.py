"""``python -m paper.truth``: keep the tables of the benchmarks whose truth is known, for the supplement."""

from paper.command import run
from paper.truth.tables import keep


def main() -> None:
    """Copy them to ``paper/truth``."""
    for path in keep():
        print(f"wrote {path}")


if __name__ == "__main__":
    run(main)
