"""A local server that speaks those endpoints of the Hugging Face Hub that lightning_vc uses."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Files = dict[str, bytes]


class FakeHub:
    """Repositories as {name: [files of each commit]}, and the requests that came, as "GET /path"."""

    def __init__(self) -> None:
        self.repositories: dict[str, list[Files]] = {}
        self.requests: list[str] = []
        self.sizes: dict[str, int] = {}  # what to say of a file's size instead of the truth
        self.headers: dict[str, str] = {}  # what to say of every file instead of the truth
        self.more: dict[str, bytes] = {}  # sent after the content of a file
        self.endless: dict[str, int] = {}  # status of the answers that have 100 MB instead of the content of a file
        self.sent = 0  # bytes of such answers that were taken
        self.private: dict[str, bool] = {}
        self.url = ""

    def commit(self, name: str, files: Files) -> str:
        """Add a commit and return its name."""
        self.repositories.setdefault(name, []).append(files)
        return commit_name(name, len(self.repositories[name]))

    def find(self, name: str, revision: str) -> tuple[str, Files] | None:
        """Return the name and files of the commit of a revision."""
        commits = self.repositories.get(name, [])
        names = [commit_name(name, number) for number in range(1, len(commits) + 1)]
        if commits and revision == "main":
            return names[-1], commits[-1]
        return next(((each, files) for each, files in zip(names, commits, strict=True) if each == revision), None)


def commit_name(name: str, number: int) -> str:
    return hashlib.sha1(f"{name} {number}".encode()).hexdigest()


@contextmanager
def serve() -> Iterator[FakeHub]:
    """Run a hub on a free port of this machine until the block ends."""
    hub = FakeHub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        size = headers.pop("size", str(len(content)))
        for key, value in {"Content-Length": size, **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def answer_endlessly(self, status: int) -> None:
        self.answer(status, Location=self.path, size="100000000")
        try:
            for _ in range(100):
                self.wfile.write(bytes(1_000_000))
                self.hub.sent += 1_000_000
        except OSError:  # nobody reads it
            self.close_connection = True

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        owner, repository, verb, *rest = [*self.path.split("?")[0].strip("/").split("/"), "", ""]
        name = f"{owner}/{repository}"
        if verb != "resolve" or name not in self.hub.repositories:
            return self.answer(404, X_Error_Code="RepoNotFound")
        found = self.hub.find(name, rest[0])
        if found is None:
            return self.answer(404, X_Error_Code="RevisionNotFound")
        commit, files = found
        file = "/".join(rest[1:]).rstrip("/")
        if file not in files:
            return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        content = files[file]
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X_Repo_Commit": commit}
        if self.command == "HEAD":
            headers["size"] = str(self.hub.sizes.get(file, len(content)))
        else:
            content += self.hub.more.get(file, b"")
        headers |= self.hub.headers
        if self.command == "GET" and file in self.hub.endless:
            return self.answer_endlessly(self.hub.endless[file])
        return self.answer(200, content, **headers)

    def do_POST(self) -> None:
        self.hub.requests.append(f"POST {self.path}")
        size = self.headers.get("Content-Length")
        body = self.chunks() if size is None else self.rfile.read(int(size))
        words = self.path.split("?")[0].strip("/").split("/")
        if words == ["api", "repos", "create"]:
            request = json.loads(body)
            name = f"{request['organization']}/{request['name']}"
            self.hub.private[name] = request.get("visibility") == "private"
            self.hub.repositories.setdefault(name, [])
            return self.say({"url": f"{self.hub.url}/{name}"})
        if words == ["api", "validate-yaml"]:
            return self.say({"errors": [], "warnings": []})
        name, verb = "/".join(words[2:4]), words[4]
        if verb == "preupload":
            files = json.loads(body)["files"]
            return self.say(
                {"files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]}
            )
        assert verb == "commit", self.path
        lines = [json.loads(line)["value"] for line in body.splitlines() if line]
        changes = {line["path"]: base64.b64decode(line["content"]) for line in lines if "path" in line}
        commit = self.hub.commit(name, changes)
        return self.say({"commitUrl": f"{self.hub.url}/{name}/commit/{commit}", "commitOid": commit})

    def chunks(self) -> bytes:
        """Read a body of the transfer encoding "chunked"."""
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def say(self, content: Any) -> None:
        self.answer(200, json.dumps(content).encode(), Content_Type="application/json")
