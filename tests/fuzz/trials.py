"""Calls in another process with bounds of memory and time, so that a test outlives whatever it tries.

`FUZZ_SEED=7 python -m pytest -m slow tests/fuzz` draws other inputs than those of the usual seed.
"""

import io
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lightning_vc.console import printable

SEED = os.environ.get("FUZZ_SEED", "29")
_PRELOADED = ("pytest", "lightning_vc.cloning", "lightning_vc.recipes.tts", "lightning_vc.recipes.evaluate")
_MEMORY = 2 << 30  # bytes on top of what a process has before its first call, where nothing else is said
_FILE = 1 << 30  # bytes of the longest file that a call may write
_WALL = 900  # seconds without an answer; a call that computes is stopped earlier, by its CPU time

forkserver = multiprocessing.get_context("forkserver")
forkserver.set_forkserver_preload(list(_PRELOADED))


def generator(name: str) -> random.Random:
    """The random numbers of one test."""
    return random.Random(f"{SEED}/{name}")


@dataclass(frozen=True)
class Outcome:
    """What became of a call.

    Attributes:
        kind: "answer", "refusal" (ValueError, OSError, or exit status 2), "fault" (any other exception or status),
            "death" (by a signal) or "timeout".
        value: what an answer is, if it could be sent.
        message: of a refusal; the traceback of a fault; the signal of a death.
        stderr: what was written to stderr.
        seconds: CPU time.
    """

    kind: str
    value: Any = None
    message: str = ""
    stderr: str = ""
    seconds: float = 0.0

    def problem(self, name: str = "", seconds: float = 20.0) -> str | None:
        """Why this is neither an answer nor a refusal in one line with `name` in it, within some CPU time."""
        if self.kind == "refusal":
            said = printable(self.message)
            if printable(name) not in said:
                return f"the refusal does not name {printable(name)}: {said[:300]}"
            if "\n" in self.message.replace(name, ""):
                return f"the refusal has several lines: {said[:300]}"
        elif self.kind != "answer":
            return f"{self.kind}: {self.message}"
        return f"took {self.seconds:.1f} s" if self.seconds > seconds else None


class Worker:
    """A process that answers calls one after the other, and is replaced when one of them kills it.

    Args:
        home: folder that it works in, and takes for the user's home; temporary files are in `tmp` of it.
        seconds: CPU time of a call.
        memory: bytes on top of what it has before its first call.
    """

    def __init__(self, home: Path, seconds: int = 25, memory: int = _MEMORY) -> None:
        self.home, self.seconds, self.memory = home, seconds, memory
        self._process: Any = None
        self._connection: Connection

    def call(self, function: Callable[..., Any], *arguments: Any) -> Outcome:
        """Call a function that the process can import; files that it names must not change meanwhile."""
        if self._process is None or not self._process.is_alive():
            self._start()
        self._connection.send((function, arguments))
        if not self._connection.poll(_WALL):
            self.close()
            return Outcome("timeout", message=f"no answer in {_WALL} s")
        try:
            return Outcome(*self._connection.recv())
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self.close()
            if code == -signal.SIGXCPU:
                return Outcome("timeout", message=f"more than {self.seconds} s of CPU time")
            return Outcome("death", message=signal.Signals(-code).name if code < 0 else f"exit status {code}")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None

    def _start(self) -> None:
        self.close()
        self._connection, other = forkserver.Pipe()
        arguments = (other, self.home, self.seconds, self.memory, sys.path)
        self._process = forkserver.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        other.close()


def _serve(connection: Connection, home: Path, seconds: int, memory: int, path: list[str]) -> None:
    """The process of a worker."""
    settle(home, path)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + memory, held + memory))
    while True:
        try:
            function, arguments = connection.recv()
        except (EOFError, ConnectionError):
            return
        resource.setrlimit(resource.RLIMIT_CPU, (int(_cpu()) + seconds + 1, resource.RLIM_INFINITY))
        connection.send(_outcome(function, arguments))


def settle(home: Path, path: list[str]) -> None:
    """Make a new process small and harmless: one thread, its own folders, no core files, no endless files."""
    import torch

    torch.set_num_threads(1)
    sys.path[:] = [str(home), *path]  # as `python -m` has the folder that one works in
    for folder in (home, home / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    os.chdir(home)
    os.environ.update(HOME=str(home), TMPDIR=str(home / "tmp"), LIGHTNING_VC_VOICES=str(home / "voices"))
    tempfile.tempdir = None
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE, _FILE))


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[str, Any, str, str, float]:
    """Kind, value, message, stderr and CPU seconds of a call."""
    stderr, before = io.StringIO(), _cpu()
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # strict, as a terminal is
    kind, value, message = "answer", None, ""
    with redirect_stderr(stderr), redirect_stdout(stdout):
        try:
            value = function(*arguments)
        except (ValueError, OSError) as error:
            kind, message = "refusal", str(error)
        except SystemExit as end:
            if end.code not in (None, 0):
                kind = "refusal" if end.code in (1, 2) else "fault"
                message = (stderr.getvalue().splitlines() or [f"exit status {end.code} without a message"])[-1]
        except BaseException as error:
            kind, message = "fault", _where(error)
    return kind, value, message, stderr.getvalue(), _cpu() - before


def _where(error: BaseException) -> str:
    """An exception in one line, with the last line of the package that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames if "lightning_vc/" in frame.filename]
    said = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {said[-1][:300]} at {(ours or ['?'])[-1]}"


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def fail_with(problems: Iterable[str], tried: int) -> None:
    """Fail if there are problems, with the seed and the first of them."""
    problems = list(problems)
    shown = "\n".join(problems[:20])
    assert not problems, f"{len(problems)} of {tried} inputs, FUZZ_SEED={SEED}:\n{shown}"
