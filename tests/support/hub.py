"""The few endpoints of the Hugging Face Hub that a download asks, over HTTP, with one repository."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REPOSITORY, REVISION = "acme/ner", "v1"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        api, files = f"/api/models/{REPOSITORY}", f"/{REPOSITORY}/resolve/"
        file = self.folder / path.removeprefix(files).partition("/")[2]
        if path.startswith(f"{api}/tree/"):
            self._answer(json.dumps(_tree(self.folder)).encode())
        elif path == f"{api}/revision/{REVISION}":
            siblings = [{"rfilename": item["path"]} for item in _tree(self.folder)]
            facts = {"id": REPOSITORY, "sha": COMMIT, "siblings": siblings}
            self._answer(json.dumps(facts).encode())
        elif path.startswith(files) and file.is_file():
            self._answer(file.read_bytes())
        else:
            self._answer(b"{}", 404)

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def _answer(self, content: bytes, status: int = 200) -> None:
        self.send_response(status)
        if status != 200:
            missing = "RevisionNotFound" if "/revision/" in self.path else "RepoNotFound"
            self.send_header("x-error-code", missing)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.send_header("etag", f'"{hashlib.sha1(content).hexdigest()}"')  # noqa: S324 - git's
        self.send_header("x-repo-commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@contextmanager
def hub(folder: Path) -> Iterator[str]:
    """Serve `folder` as REPOSITORY at REVISION; yield the address for HF_ENDPOINT."""
    handler = type("Handler", (_Handler,), {"folder": folder})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _tree(folder: Path) -> list[dict[str, Any]]:
    return [
        {
            "type": "file",
            "path": path.relative_to(folder).as_posix(),
            "size": path.stat().st_size,
            "oid": hashlib.sha1(path.read_bytes()).hexdigest(),  # noqa: S324 - git's
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
