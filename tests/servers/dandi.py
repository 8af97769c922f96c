"""A stand-in for the DANDI archive that the real dandi client accepts: one dandiset, one published version."""

import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from tests.servers.loopback import Handler, Server

WHEN = "2023-09-22T16:42:09.296851Z"


@dataclass
class Dandi(Server):
    """Serves the files in `folder` as a listing of (path, size, sha256) names them."""

    folder: Path = Path()
    files: list[tuple[str, int, str]] = field(default_factory=list)
    id: str = "000628"
    version: str = "0.230922.1642"
    etags: dict[str, str] = field(default_factory=dict)
    """By path; the client's own ``download`` command wants them right."""

    def __post_init__(self):
        self.ids = {path: str(uuid.uuid5(uuid.NAMESPACE_URL, path)) for path, _, _ in self.files}
        self.paths = {asset: path for path, asset in self.ids.items()}
        self.rows = {row[0]: row for row in self.files}

    @property
    def api(self) -> str:
        return f"{self.base}/api"

    def answer(self, handler: Handler, path: str, query: dict[str, str]) -> None:
        version = f"/api/dandisets/{self.id}/versions/{self.version}/"
        if path == "/api/info/":
            return handler.send_json(self._info())
        if path == f"/api/dandisets/{self.id}/":
            return handler.send_json(self._dandiset())
        if path == version:
            about = {"identifier": f"DANDI:{self.id}", "version": self.version, "name": "x", "schemaVersion": "0.6.4"}
            return handler.send_json(about)
        if path == version + "info/":
            more = {"asset_validation_errors": [], "version_validation_errors": [], "metadata": {}}
            return handler.send_json(self._version() | more)
        if path == version + "assets/":
            return handler.send_json(self._page(path, query))
        match = re.fullmatch(rf"(?:{version}|/api/)assets/([0-9a-f-]+)/(info/|download/)?", path)
        if match and match[1] in self.paths:
            if match[2] == "download/":
                return handler.redirect(f"{self.base}/blobs/{match[1]}/{self.paths[match[1]]}?X-Amz-Signature=secret")
            row = self.rows[self.paths[match[1]]]
            return handler.send_json(
                self._asset(row) | {"metadata": self._metadata(row)} if match[2] else self._metadata(row)
            )
        if path.startswith("/blobs/"):
            return handler.send_file(self.folder / path.split("/", 3)[3])
        return handler.not_found()

    def _info(self) -> dict:
        services = {"api": {"url": self.api}, "webui": {"url": self.base}, "jupyterhub": None}
        versions = {"version": "0.3.0", "schema_version": "0.6.10", "schema_url": ""}
        return versions | {"services": services, "cli-minimal-version": "0.60.0", "cli-bad-versions": []}

    def _version(self, **changes) -> dict:
        size = sum(size for _, size, _ in self.files)
        about = {"version": self.version, "name": "x", "asset_count": len(self.files), "size": size}
        return about | {"created": WHEN, "modified": WHEN, "status": "Published"} | changes

    def _dandiset(self) -> dict:
        about = {
            "identifier": self.id,
            "created": WHEN,
            "modified": WHEN,
            "contact_person": "x",
            "embargo_status": "OPEN",
        }
        draft = self._version(version="draft", status="Valid")
        return about | {"most_recent_published_version": self._version(), "draft_version": draft}

    def _page(self, path: str, query: dict[str, str]) -> dict:
        size, page = int(query.get("page_size", 100)), int(query.get("page", 1))
        rows = self.files[(page - 1) * size : page * size]
        results = [self._asset(row) for row in rows]
        if query.get("metadata", "").lower() in ("true", "1"):
            results = [asset | {"metadata": self._metadata(row)} for asset, row in zip(results, rows, strict=True)]
        more = page * size < len(self.files)
        after = f"{self.base}{path}?{urlencode({**query, 'page': page + 1})}" if more else None
        return {"count": len(self.files), "next": after, "previous": None, "results": results}

    def _asset(self, row: tuple[str, int, str]) -> dict:
        path, size, _ = row
        about = {"asset_id": self.ids[path], "blob": self.ids[path], "zarr": None, "path": path, "size": size}
        return about | {"created": WHEN, "modified": WHEN}

    def _metadata(self, row: tuple[str, int, str]) -> dict:
        path, size, digest = row
        asset = self.ids[path]
        urls = [f"{self.api}/assets/{asset}/download/", f"{self.base}/blobs/{asset}/{path}"]
        digests = {"dandi:dandi-etag": self.etags.get(path, "0" * 32 + "-1"), "dandi:sha2-256": digest}
        about = {
            "id": f"dandiasset:{asset}",
            "path": path,
            "identifier": asset,
            "contentSize": size,
            "contentUrl": urls,
        }
        return about | {"digest": digests, "blobDateModified": WHEN, "schemaVersion": "0.6.4", "schemaKey": "Asset"}
