"""SIGKILL at any moment: each file is absent, as before, or whole, and a restart ends as if nothing had happened."""

import hashlib
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_vc.audio import io
from lightning_vc.recipes import clone, export, morph, prepare, run, synthesize, tts
from lightning_vc.untrusted import read_checkpoint
from tests.fuzz import sounds
from tests.fuzz.trials import fail_with, forkserver, generator, settle
from tests.tiny import TinyRun

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")
_WAIT = 240  # seconds for a command that is not killed
TEXT = "Yes. No, the garden is yellow."


@dataclass(frozen=True)
class Inputs:
    """What the commands read; they write into the folder that they work in."""

    run: TinyRun
    model: Path
    clips: Path  # clip.wav, a.safetensors and b.safetensors


def clone_by_ear(inputs: Inputs) -> None:
    Path("voice.safetensors").unlink(missing_ok=True)  # the command does not write over a voice, and says so
    said = ["--text", TEXT, "--out", "out.wav", "--voice", "voice.safetensors", "--consent", "yes"]
    clone.main(["--model", str(inputs.model), "--clips", str(inputs.clips / "clip.wav"), "--method", "encoder", *said])


def clone_by_adapting(inputs: Inputs) -> None:
    Path("voice.safetensors").unlink(missing_ok=True)
    how = [
        "--method",
        "low_rank",
        "--steps",
        "2",
        "--clip_texts",
        "The garden is yellow.",
        "--voice",
        "voice.safetensors",
    ]
    out = ["--text", "Yes.", "--out", "out.flac"]
    clone.main(["--model", str(inputs.model), "--clips", str(inputs.clips / "clip.wav"), *how, *out])


def speak(inputs: Inputs) -> None:
    Path("lines.txt").write_text("Yes.\nNo.\nThe garden is yellow.\n")
    voice = ["--voice", str(inputs.clips / "a.safetensors")]
    synthesize.main(["--model", str(inputs.model), *voice, "--file", "lines.txt", "--out", "said"])


def mix(inputs: Inputs) -> None:
    Path("mixed.safetensors").unlink(missing_ok=True)
    voices = [str(inputs.clips / name) for name in ("a.safetensors", "b.safetensors")]
    morph.main(["--voice", *voices, "--save", "mixed.safetensors"])


def write_shards(inputs: Inputs) -> None:
    corpus = Path("corpus")
    corpus.mkdir(exist_ok=True)
    ids = [f"s{number % 3}-{number:02d}" for number in range(18)]
    (corpus / "wav.scp").write_text("".join(f"{id} {inputs.clips / 'clip.wav'}\n" for id in ids))
    (corpus / "utt2spk").write_text("".join(f"{id} {id[:2]}\n" for id in ids))
    options = "--test 1 --validation 1 --held 0.2 --samples_per_shard 2 --workers 1"
    prepare.main(["kaldi", "--root", "corpus", "--out", "shards", *options.split()])


def export_model(inputs: Inputs) -> None:
    export.main(["--model", str(inputs.run.folder), "--out", "exported"])


def fit(inputs: Inputs) -> None:
    last = Path("tts", "last.ckpt")
    resumed = ["--ckpt_path", str(last)] if last.exists() else []
    tts.main([*inputs.run.tts_flags(Path("tts")), *resumed])


_STAGE = """#!{python} -SE
# Stands for a stage of a recipe: three steps, each of which leaves a checkpoint.
import os, sys, time
words = sys.argv[1:]
root = "--trainer.default_root_dir"
out = os.path.join(words[words.index(root) + 1], "last.ckpt") if root in words else words[words.index("--out") + 1]
steps = int(open(words[words.index("--ckpt_path") + 1]).read()) if "--ckpt_path" in words else 0
os.makedirs(os.path.dirname(out), exist_ok=True)
for step in range(steps + 1, 4):
    time.sleep(0.03)
    with open("step", "w") as file:
        file.write(str(step))
    os.replace("step", out)
"""


def run_recipe(_: Inputs, recipe: Path = Path("own", "recipe.yaml")) -> None:
    stage = Path("python").absolute()
    stage.write_text(_STAGE.format(python=sys.executable))
    stage.chmod(0o700)
    stages = {
        "one": {"verb": "prepare generated", "options": {"out": "runs/one/index.json"}},
        "two": {"verb": "tts fit", "options": {"trainer.default_root_dir": "runs/two"}},
        "three": {"verb": "encoder fit",
                  "options": {"trainer.default_root_dir": "runs/three", "base": "runs/two/last.ckpt"}},
    }  # fmt: skip
    recipe.parent.mkdir(exist_ok=True)
    recipe.write_text(json.dumps({"dir": "runs", "stages": stages}))
    sys.executable = str(stage)
    run.main([str(recipe)])


KILLS: dict[Callable[[Inputs], None], int] = {
    clone_by_ear: 6, clone_by_adapting: 4, speak: 7, mix: 6, write_shards: 8, export_model: 8, fit: 6, run_recipe: 8,
}  # fmt: skip
REPLACE = (clone_by_ear, clone_by_adapting, speak, export_model)  # what was there before stays until the new is whole


def test_there_are_fifty_kills_or_more() -> None:
    assert sum(KILLS.values()) >= 50


def contents(home: Path) -> dict[str, str]:
    """Checksums of what a command left: of checkpoints their weights, of voices all but the date."""
    return {str(file.relative_to(home)): checksum(file) for file in sorted(home.rglob("*")) if is_kept(file)}


def is_kept(file: Path) -> bool:
    return file.is_file() and "/log/" not in str(file) and "__pycache__" not in str(file)


def checksum(file: Path) -> str:
    """What tells whether a file is whole, and has what it should have."""
    content = file.read_bytes()
    if file.suffix == ".ckpt" and content[8:].startswith(b'{"__metadata__"'):
        saved = read_checkpoint(file)
        content = b"".join(value.numpy().tobytes() for value in saved["state_dict"].values())
    elif (
        file.suffix == ".safetensors" and content[8:9] == b"{"
    ):  # the order of its metadata is another one in each process
        end = 8 + int.from_bytes(content[:8], "little")
        header = json.dumps(json.loads(content[8:end]), sort_keys=True)
        content = re.sub(r"\d{4}-\d\d-\d\d", "date", header).encode() + content[end:]
    return hashlib.sha256(content).hexdigest()


def perform(
    connection: Any, command: Callable[[Inputs], None], inputs: Inputs, home: Path, path: list[str], at: int
) -> None:
    """A process that does a command, tells how often it changed a file, and kills itself before change number `at`."""
    os.setsid()
    settle(home, path)
    count = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if opened or event in _CHANGES:
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)

    for stream in (1, 2):
        os.dup2(os.open("/dev/null", os.O_WRONLY), stream)
    connection.send("begins")
    sys.addaudithook(watch)
    command(inputs)
    connection.send(count)


def performed(
    command: Callable[[Inputs], None], inputs: Inputs, home: Path, at: int = 0, after: float = 0.0
) -> tuple[int, float]:
    """Do a command in a process, killed before a change, or after some seconds, or not at all.

    Returns how many changes it made, 0 if it was killed, and the seconds that it took.
    """
    connection, other = forkserver.Pipe()
    process = forkserver.Process(target=perform, args=(other, command, inputs, home, sys.path, at))
    process.start()
    other.close()
    assert connection.poll(_WAIT)
    assert connection.recv() == "begins"
    begin = time.monotonic()
    if after:
        process.join(after)
        if process.pid and process.is_alive():
            os.killpg(process.pid, signal.SIGKILL)
    process.join(_WAIT)
    took = time.monotonic() - begin
    if process.exitcode == -signal.SIGKILL:
        return 0, took
    assert process.exitcode == 0, f"{command.__name__} ends with {process.exitcode}"
    return connection.recv(), took


@pytest.fixture(scope="module")
def inputs(tiny_run: TinyRun, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    clips = tmp_path_factory.mktemp("clips")
    io.write(clips / "clip.wav", torch.from_numpy(sounds.voiced(2.0)), sounds.RATE)
    made = Inputs(tiny_run, exported, clips)
    for name in ("a", "b"):
        performed(clone_by_ear, made, clips / name)
        (clips / name / "voice.safetensors").replace(clips / f"{name}.safetensors")
        shutil.rmtree(clips / name)
    return made


def moments(command: Callable[[Inputs], None], changes: int, seconds: float) -> Iterator[tuple[int, float]]:
    """When to kill: before changes of files, and after times, half of them near the end, where most is written."""
    rng = generator(command.__name__)
    before = rng.sample(range(1, changes + 1), min(changes, KILLS[command] // 2))
    yield from ((change, 0.0) for change in before)
    for number in range(KILLS[command] - len(before)):
        yield 0, rng.uniform((0.02, 0.8)[number % 2], 0.98) * seconds


def half_written(home: Path, whole: dict[str, str], old: dict[str, str]) -> list[str]:
    """Files that are neither as they were before nor as they will be."""
    wrong = []
    for name, expected in whole.items():
        file = home / name
        if file.exists() and name.split("/")[0] not in ("corpus", "lines.txt", "own", "python"):
            try:
                is_whole = checksum(file) in (expected, old.get(name)) or is_earlier(file)
            except (OSError, RuntimeError, EOFError, ValueError) as error:
                is_whole = False
                name = f"{name} ({error})"
            wrong += [] if is_whole else [name]
        elif name in old:
            wrong.append(f"{name} was there before")
    return wrong


def is_earlier(file: Path) -> bool:
    """Whether this is a whole file of an earlier step: a checkpoint (read by `checksum`), or a record of a stage."""
    if file.suffix == ".json" and file.parent.name == ".stages":
        return isinstance(json.loads(file.read_text()), dict)
    return file.name == "last.ckpt" and (file.read_bytes() in (b"1", b"2") or read_checkpoint(file)["global_step"] < 4)


@pytest.mark.parametrize("command", KILLS, ids=lambda command: command.__name__)
def test_a_killed_command_leaves_no_partial_files_and_resumes_identically(
    command: Callable[[Inputs], None], inputs: Inputs, tmp_path: Path
) -> None:
    changes, seconds = performed(command, inputs, tmp_path / "whole")
    expected = contents(tmp_path / "whole")
    problems, killed = [], 0
    for number, (at, after) in enumerate(moments(command, changes, seconds)):
        home = tmp_path / str(number)
        old: dict[str, str] = {}
        if command in REPLACE and number % 4 > 1:
            shutil.copytree(tmp_path / "whole", home)
            for name in expected:
                if name.startswith(("out", "said", "exported")):
                    (home / name).write_bytes(b"what was there before")
            old = {
                name: value for name, value in contents(home).items() if name.startswith(("out", "said", "exported"))
            }
        moment = f"kill {number}, " + (
            f"before change {at} of {changes}" if at else f"after {after:.2f} of {seconds:.2f} s"
        )
        done, _ = performed(command, inputs, home, at, after)
        killed += not done
        problems += [f"{moment}: by half: {name}" for name in half_written(home, expected, old)]
        try:
            performed(command, inputs, home)
            ended = contents(home)
        except AssertionError as error:
            problems.append(f"{moment}: the restart fails: {error}")
            continue
        problems += [f"{moment}: left behind: {name}" for name in sorted(ended.keys() - expected.keys())]
        problems += [f"{moment}: missing: {name}" for name in sorted(expected.keys() - ended.keys())]
        different = [name for name in expected if ended.get(name, expected[name]) != expected[name]]
        problems += [f"{moment}: other bits: {name}" for name in different]
        shutil.rmtree(home)
    assert killed >= KILLS[command] / 2
    fail_with(problems, KILLS[command])


def run_recipe_from_its_own_folder(inputs: Inputs) -> None:
    run_recipe(inputs, Path("recipe.yaml"))


@pytest.mark.parametrize("command", [run_recipe, run_recipe_from_its_own_folder])
def test_a_finished_recipe_that_is_run_again_changes_nothing(
    command: Callable[[Inputs], None], inputs: Inputs, tmp_path: Path
) -> None:
    performed(command, inputs, tmp_path)
    expected = contents(tmp_path)
    performed(command, inputs, tmp_path)
    assert contents(tmp_path) == expected
