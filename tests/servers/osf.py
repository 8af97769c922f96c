"""A stand-in for OSF (JSON:API v2): the files of one node's storage, two per page, behind two redirects."""

import hashlib
import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.loopback import Handler, Server


@dataclass
class Osf(Server):
    """Serves every file in `folder`."""

    folder: Path = Path()
    node: str = "sde8m"
    signatures: itertools.count = field(default_factory=itertools.count)
    valid: dict[str, str] = field(default_factory=dict)

    @property
    def api(self) -> str:
        return f"{self.base}/v2"

    def answer(self, handler: Handler, path: str, query: dict[str, str]) -> None:
        files = {hashlib.md5(file.name.encode()).hexdigest()[:8]: file for file in sorted(self.folder.iterdir())}
        if path == f"/v2/nodes/{self.node}/files/osfstorage/":
            return handler.send_json(self._page(path, int(query.get("page", 1)), list(files.items())))
        if match := re.fullmatch(r"/download/(\w+)/", path):
            return handler.redirect(
                f"{self.base}/v1/resources/{self.node}/providers/osfstorage/{match[1]}?action=download"
            )
        if match := re.fullmatch(r"/v1/resources/\w+/providers/osfstorage/(\w+)", path):
            # A signed address serves once: one that is kept for another try has expired.
            self.valid[match[1]] = str(next(self.signatures))
            return handler.redirect(
                f"{self.base}/signed/{match[1]}/{files[match[1]].name}?Signature={self.valid[match[1]]}"
            )
        if match := re.fullmatch(r"/signed/(\w+)/[^/]+", path):
            if query.get("Signature") != self.valid.pop(match[1], None):
                return handler.send_json({"detail": "expired"}, 403)
            return handler.send_file(files[match[1]])
        return handler.not_found()

    def _page(self, path: str, page: int, files: list) -> dict:
        entries = []
        for key, file in files[2 * page - 2 : 2 * page]:
            data = file.read_bytes()
            hashes = {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest()}
            about = {"name": file.name, "kind": "file", "size": len(data), "provider": "osfstorage"}
            links = {"self": f"{self.api}/files/{key}/", "download": f"{self.base}/download/{key}/"}
            entries.append(
                {"id": key, "type": "files", "attributes": about | {"extra": {"hashes": hashes}}, "links": links}
            )
        more = f"{self.base}{path}?page={page + 1}" if 2 * page < len(files) else None
        return {"data": entries, "links": {"first": None, "last": None, "prev": None, "next": more}}
