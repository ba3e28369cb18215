"""Ctrl-C in a terminal: every process of the verb gets SIGINT, one line is said, the status is 130, nobody is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.evaluation.command import evaluate_flags
from tests.tiny import ROOT, TinyRun


def heed_interrupts() -> None:
    """Undo what a shell does to the processes that it runs in the background: they ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt(words: list[str], folder: Path, when: Callable[[int], bool]) -> str:
    """Start a verb, press Ctrl-C as soon as `when` holds for its process, and give back what it said on stderr."""
    command = [sys.executable, "-m", *words]
    with (folder / "said").open("w+") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True, preexec_fn=heed_interrupts
        )
        try:
            end = time.monotonic() + 200
            while not when(process.pid) and process.poll() is None:
                assert time.monotonic() < end, "waited too long"
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGINT)
            status = process.wait(timeout=60)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        printed = (folder / "said").read_text()
    assert status == 130, printed
    assert "Traceback" not in printed
    assert printed.count("interrupted") == 1
    deadline = time.monotonic() + 10
    while True:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:  # nobody is left
            return printed
        assert time.monotonic() < deadline, "a process is left"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "command",
    [
        "clone --clips a.wav --method encoder --text Yes. --out a.wav",
        "synthesize --voice a --text Yes. --out a.wav",
        "prepare --help",
        "evaluate --help",
        "tts --help",
    ],
)
def test_while_a_verb_imports(tmp_path: Path, command: str) -> None:
    def importing(pid: int) -> bool:
        return "libtorch" in Path(f"/proc/{pid}/maps").read_text()  # the first of the seconds that torch takes

    printed = interrupt([*f"lightning_vc.recipes.{command}".split()], tmp_path, importing)
    assert printed == "interrupted\n"


def test_while_workers_write_shards(tmp_path: Path) -> None:
    words = ["lightning_vc.recipes.prepare", "generated", "--n_speakers", "200", "--workers", "2"]
    out = tmp_path / "shards"
    shards = out.with_name("shards.partial") / "shards"
    interrupt([*words, "--out", str(out)], tmp_path, lambda _: shards.is_dir() and any(shards.iterdir()))
    assert not out.exists()


def test_while_workers_start(tmp_path: Path) -> None:
    words = ["lightning_vc.recipes.prepare", "generated", "--n_speakers", "20", "--workers", "2"]
    plan = tmp_path / "shards.partial" / "plan"
    interrupt([*words, "--out", str(tmp_path / "shards")], tmp_path, lambda _: plan.exists())


def test_while_a_stage_of_a_recipe_runs(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(
        "dir: ${here}/out\n"
        "stages: {corpus: {verb: prepare generated, options: {n_speakers: 200, workers: 2, out: '${dir}/shards'}}}\n"
    )
    plan = tmp_path / "out" / "shards.partial" / "plan"
    printed = interrupt(["lightning_vc.recipes.run", str(tmp_path / "recipe.yaml")], tmp_path, lambda _: plan.exists())
    assert "stage 1 of 1: corpus ended with status 130" in printed


@pytest.mark.slow
def test_while_an_evaluation_speaks(tiny_run: TinyRun, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["lightning_vc.recipes.evaluate", *evaluate_flags(tiny_run, out)]
    interrupt(words, tmp_path, lambda _: any(out.rglob("clones/*/*/01.wav")))
