"""A server on loopback that sends bytes with the faults of real networks on request, and logs what it was asked."""

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose path contains `match` (-1: with all of them)."""

    match: str
    mode: str
    """cut, short, corrupt, stall, trickle, norange, or an HTTP status."""
    times: int = 1
    at: int = 0
    """Byte of the file at which it goes wrong."""
    retry_after: str | None = None


@dataclass
class Request:
    """One line of the log."""

    when: float
    path: str
    start: int | None
    """First byte asked for by Range."""
    sent: int = 0
    """Bytes of the body sent."""


@dataclass
class Server:
    """State shared by the requests of one server."""

    base: str = ""
    faults: list[Fault] = field(default_factory=list)
    log: list[Request] = field(default_factory=list)
    rate: float = 0.0
    """Bytes per second of each body; 0 for no limit."""
    sending: int = 0
    """Bodies on their way now."""
    most: int = 0
    """Most bodies that were on their way at once."""
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.match in path and fault.times != 0:
                    fault.times -= 1
                    return fault
        return None

    def asked(self, part: str) -> list[Request]:
        """The logged requests whose path contains `part`."""
        return [request for request in self.log if part in request.path]

    def answer(self, handler: "Handler", path: str, query: dict[str, str]) -> None:
        """Answer a GET; each kind of server has its own."""
        raise NotImplementedError


PATIENCE_S = 40
"""How long a stalled or trickling body lasts: longer than any client here may wait, short enough that a test in which
it waits for ever ends and fails."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def state(self) -> Server:
        return self.server.state

    def log_message(self, *_):
        pass

    def do_GET(self):
        address = urlparse(self.path)
        asked = self.headers.get("Range", "")
        start = int(asked[6:].partition("-")[0]) if asked.startswith("bytes=") else None
        self.request_log = Request(time.monotonic(), self.path, start)
        self.state.log.append(self.request_log)
        self.armed = self.state.fault(self.path)
        if self.armed and self.armed.mode.isdigit():
            headers = {"Retry-After": self.armed.retry_after} if self.armed.retry_after else {}
            return self.send_json({"detail": "a fault"}, int(self.armed.mode), headers)
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        return self.state.answer(self, address.path, query)

    def send_json(self, value, status: int = 200, headers: dict | None = None) -> None:
        body = json.dumps(value).encode()
        self.head(status, {"Content-Type": "application/json", "Content-Length": len(body), **(headers or {})})
        if self.armed and self.armed.mode == "trickle":
            return self.trickle(body)
        return self.wfile.write(body)

    def redirect(self, address: str) -> None:
        self.head(302, {"Location": address, "Content-Length": 0})

    def not_found(self) -> None:
        self.send_json({"detail": "Not found."}, 404)

    def head(self, status: int, headers: dict) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, str(value))
        self.end_headers()

    def send_file(self, path: Path) -> None:
        """Send a file, from the first byte asked for, with the fault that is armed."""
        if not path.is_file():
            return self.not_found()
        data = path.read_bytes()
        mode, at = (self.armed.mode, self.armed.at) if self.armed else ("", 0)
        start, size = self.request_log.start or 0, len(data)
        ranged = self.request_log.start is not None and mode != "norange"
        start = start if ranged else 0
        if ranged and start >= size:
            return self.head(416, {"Content-Range": f"bytes */{size}", "Content-Length": 0})
        body = bytearray(data[start:])
        here = max(0, at - start)
        if mode == "corrupt":
            body[min(here, len(body) - 1)] ^= 1
        stated = body[:here] if mode == "short" else body
        headers = {"Content-Length": len(stated), "Accept-Ranges": "bytes"}
        if ranged:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self.head(206 if ranged else 200, headers)
        if mode in ("cut", "stall", "trickle"):
            self.put(body[:here])
            if mode == "trickle":
                return self.trickle(body[here:])
            if mode == "stall":
                self.state.closing.wait(PATIENCE_S)
            return self.hang_up()
        return self.put(stated)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)

    def trickle(self, body: bytes) -> None:
        deadline = time.monotonic() + PATIENCE_S
        for place in range(len(body)):
            if time.monotonic() > deadline or not self.put(body[place : place + 1]) or self.state.closing.wait(0.02):
                return self.hang_up()
        return self.hang_up()

    def put(self, body: bytes) -> bool:
        """Write a body, at the server's rate; say whether the client took it."""
        with self.state.lock:
            self.state.sending += 1
            self.state.most = max(self.state.most, self.state.sending)
        try:
            return self._put(body)
        finally:
            with self.state.lock:
                self.state.sending -= 1

    def _put(self, body: bytes) -> bool:
        step = 1 << 16 if not self.state.rate else max(1, int(self.state.rate / 20))
        for place in range(0, len(body), step):
            block = body[place : place + step]
            try:
                self.wfile.write(block)
                self.wfile.flush()
            except OSError:
                self.close_connection = True
                return False
            self.request_log.sent += len(block)
            if self.state.rate and self.state.closing.wait(len(block) / self.state.rate):
                return False
        return True


class Threads(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """A client that went away is no news here."""


@contextmanager
def serve(state: Server):
    """Run a server on a free port of loopback while the block runs; yield its state."""
    server = Threads(("127.0.0.1", 0), Handler)
    server.state = state
    state.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        server.shutdown()
        server.server_close()
