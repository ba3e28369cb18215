"""Shards that lie elsewhere: on a real HTTP server, which is not always kind, and in fsspec's memory."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from lightning_vc.data import fetch
from lightning_vc.data import index as index_module
from lightning_vc.data.datamodule import Loading
from lightning_vc.data.index import SETS, Index
from lightning_vc.data.reading import read_shards
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.recipes import prepare
from lightning_vc.text.frontend import Characters


@dataclass
class Server:
    """A folder by HTTP; `moods` say what the next answers to shards are: drop, garble, refuse, endless or slow."""

    folder: Path
    moods: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    sent: int = 0  # bytes of answers that have no end
    url: str = ""


@pytest.fixture
def server(index: Index, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(fetch, "_WAIT", 0.01)
    served = Server(Path(index.folder))

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(head=True)

        def do_GET(self) -> None:
            self.answer(head=False)

        def answer(self, head: bool) -> None:
            file = served.folder / self.path.rpartition("/")[2]
            if not file.exists() or "nothing" in self.path:
                self.send_error(404)
                return
            data = file.read_bytes()
            mood = ""
            if not head and file.suffix == ".tar":
                served.asked.append(file.name)
                mood = served.moods.pop(0) if served.moods else ""
            if mood == "refuse":
                self.send_error(503)
                return
            mood = "endless" if "endless" in self.path else mood
            self.send_response(200)
            if mood not in ("endless", "slow"):
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            while not head and mood in ("endless", "slow"):
                try:
                    self.wfile.write(bytes(1 << 16) if mood == "endless" else b"x")
                except OSError:  # nobody listens any more
                    return
                served.sent += 1 << 16
                time.sleep(0.01 if mood == "slow" else 0)
            if not head:
                self.wfile.write({"drop": data[: len(data) // 2], "garble": data[::-1]}.get(mood, data))
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        served.url = f"http://127.0.0.1:{http.server_port}/shards"
        yield served
        http.shutdown()


def ids(index: Index, cache: str | None = None) -> list[str]:
    return [sample.id for sample in read_shards(index.files("train"), cache)]


def test_shards_come_by_http(index: Index, server: Server) -> None:
    remote = Index.load(server.url)
    assert remote.folder == server.url
    assert ids(remote) == ids(index)
    assert len(server.asked) == len(index.sets["train"])


@pytest.mark.parametrize("mood", ["drop", "garble", "refuse"])
def test_a_connection_that_fails_is_tried_again(index: Index, server: Server, mood: str) -> None:
    server.moods = [mood, mood, "", mood]
    assert ids(Index.load(server.url)) == ids(index)
    assert len(server.asked) == len(index.sets["train"]) + 3


def test_one_that_always_fails_is_named(server: Server) -> None:
    server.moods = ["drop"] * 50
    with pytest.raises(ValueError, match=r"http://.*/train-000000\.tar cannot be fetched, tried 5 times"):
        ids(Index.load(server.url))
    assert len(server.asked) == 5
    calls: list[str] = []
    with pytest.raises(ValueError, match="cannot be fetched"):  # who skips what is broken does not skip this
        list(read_shards(Index.load(server.url).files("train"), skip=lambda *_: calls.append("")))
    assert not calls


@pytest.mark.parametrize("cached", [False, True])
def test_a_shard_without_an_end_is_cut_off(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    server.moods = ["endless"] * 50
    with pytest.raises(
        ValueError, match=r"train-000000\.tar cannot be fetched, tried 1 times: .*it is longer than the"
    ):
        ids(Index.load(server.url), str(tmp_path / "cache") if cached else None)
    assert server.sent < 20 << 20
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_index_without_an_end_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_LARGEST", 1 << 20)
    with pytest.raises(ValueError, match=r"endless/index\.json cannot be fetched, .*longer than the 1048576 bytes"):
        Index.load(f"{server.url}/endless")
    assert server.sent < 20 << 20


def test_a_download_that_is_too_slow_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_vc.files._PATIENCE", 0.3)
    server.moods = ["slow"] * 50
    started = time.monotonic()
    with pytest.raises(ValueError, match=r"train-000000\.tar cannot be fetched, tried 5 times: .*which is too slow"):
        ids(Index.load(server.url))
    assert time.monotonic() - started < 30


def test_nothing_is_left_of_a_copy_whose_reader_is_killed(server: Server, tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from lightning_vc.data.index import Index; from lightning_vc.data.reading import *\n"
        "next(read_shards(Index.load(sys.argv[1]).files('train')))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script, server.url], env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert server.asked == ["train-000000.tar"]
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_refused_at_once(index: Index, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cache .*file cannot be written to"):
        Loading(cache=str(tmp_path / "file"))


def test_copies_are_kept_in_the_cache(
    index: Index, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote, cache = Index.load(server.url), str(tmp_path / "cache")
    assert ids(remote, cache) == ids(index)
    n_requests = len(server.asked)
    assert ids(remote, cache) == ids(index)
    assert len(server.asked) == n_requests
    copies = list((tmp_path / "cache").iterdir())
    assert len(copies) == n_requests  # whole copies, and nothing unfinished
    copies[0].write_bytes(b"somebody was here")
    monkeypatch.setattr(fetch, "_compared", set())  # as in a new process
    assert ids(remote, cache) == ids(index)
    assert len(server.asked) == n_requests + 1


@pytest.mark.parametrize("workers", [0, 1])
def test_training_reads_from_elsewhere(index: Index, server: Server, tmp_path: Path, workers: int) -> None:
    def batches(shards: str) -> list[list[str]]:
        loading = Loading(workers, cache=str(tmp_path))
        return [batch.ids for batch in TTSDataModule(shards, Characters(), 4, loading=loading).train_dataloader()]

    assert batches(server.url) == batches(index.folder)


def test_any_filesystem_of_fsspec(index: Index) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(index.folder, "/bucket/shards", recursive=True)
    try:
        remote = Index.load("memory://bucket/shards")
        assert ids(remote) == ids(index)
        remote.check(thorough=True)
        memory.pipe("/bucket/shards/train-000001.tar", b"other")
        with pytest.raises(ValueError, match=r"memory://bucket/shards/train-000001\.tar cannot be fetched"):
            remote.check(thorough=True)
    finally:
        memory.rm("/bucket", recursive=True)


def test_there_is_no_index(server: Server) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing/index\.json: no shards here"):
        Index.load(server.url + "/nothing")


@pytest.mark.parametrize("address", ["pipe:cat /etc/passwd", "gopher://x/shards"])
def test_no_address_runs_a_command(address: str) -> None:
    with pytest.raises((FileNotFoundError, ValueError), match=r"no shards here|Protocol not known: gopher"):
        Index.load(address)


def test_no_chain_of_filesystems_is_followed(tmp_path: Path) -> None:
    """The index of reference:// is a program."""
    key = "{% for a in range(10 ** 9) %}a{% endfor %}"
    reference = {"version": 1, "gen": [{"key": key, "url": "x", "dimensions": {"i": [1]}}], "refs": {"a": "x"}}
    (tmp_path / "index.json").write_text(json.dumps(reference))
    with pytest.raises(ValueError, match="a chain of filesystems"):
        Index.load(f"reference://a::file://{tmp_path}")


def test_verify(index: Index, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare.main(["verify", index.folder])
    assert "all shards match their index" in capsys.readouterr().out
    prepare.main(["verify", server.url])
    for name in ("index.json", *(shard.name for kind in SETS for shard in index.sets[kind])):
        (tmp_path / name).write_bytes(Path(index.folder, name).read_bytes())
    shard = tmp_path / "test-000001.tar"
    data = bytearray(shard.read_bytes())
    data[1000] ^= 1
    shard.write_bytes(data)
    for change, complaint in (
        (bytes(data), "does not have the checksum"),
        (bytes(data[:-1]), "should have"),
    ):
        shard.write_bytes(change)
        with pytest.raises(SystemExit):
            prepare.main(["verify", str(tmp_path)])
        error = capsys.readouterr().err
        assert "test-000001.tar" in error
        assert complaint in error
    with pytest.raises(ValueError, match=r"test-000001\.tar should have"):  # at the door
        TTSDataModule(str(tmp_path), Characters())
