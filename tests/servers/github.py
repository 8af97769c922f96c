"""A stand-in for GitHub's raw files: OWNER/NAME/COMMIT/PATH from a folder."""

from dataclasses import dataclass
from pathlib import Path

from tests.servers.loopback import Handler, Server


@dataclass
class GitHub(Server):
    """Serves `folder`/OWNER/NAME/COMMIT/PATH."""

    folder: Path = Path()

    def answer(self, handler: Handler, path: str, query: dict[str, str]) -> None:
        handler.send_file(self.folder / path.lstrip("/"))
