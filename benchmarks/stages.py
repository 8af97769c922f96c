"""How long each stage takes: every stage of the pipeline run again by itself, in order.

Run ``python -m benchmarks.stages`` on a finished checkout; it writes ``benchmarks/stages.json`` (minutes by stage, a
matrix summed), which the README's table of figures quotes.
"""

import json
import os
import subprocess
import time
from pathlib import Path

OUTPUT = Path(__file__).with_name("stages.json")


def main() -> None:
    """Run and time every stage."""
    listed = subprocess.run(["dvc", "stage", "list", "--name-only"], check=True, capture_output=True, text=True)
    minutes: dict[str, float] = {}
    for stage in listed.stdout.split():
        start = time.monotonic()
        subprocess.run(["dvc", "repro", "--quiet", "--force", "--single-item", stage], check=True)
        name = stage.split("@")[0]
        minutes[name] = minutes.get(name, 0) + (time.monotonic() - start) / 60
        print(f"{stage}: {time.monotonic() - start:.0f} s", flush=True)
    found = {"cores": len(os.sched_getaffinity(0)), "minutes": {name: round(m, 2) for name, m in minutes.items()}}
    OUTPUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
