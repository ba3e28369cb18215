"""A room to try hostile files in: a tiny model and its voices, and beside them what nobody may touch."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning_vc.audio import io
from lightning_vc.cloning import Cloner
from lightning_vc.voice import Voice
from tests.fuzz import models
from tests.fuzz.trials import Outcome, Worker
from tests.tiny import TinyRun

TEXT = "Yes."
WORK = 8.0  # CPU seconds for what takes 1 s with the right file


class Room:
    """A tiny exported model, voices of it and a clip, and beside them what nobody may touch."""

    def __init__(self, folder: Path, exported: Path, run: TinyRun, worker: Worker) -> None:
        self.folder, self.model, self.run, self.worker = folder, folder / "model", run, worker
        models.write_canary(folder)
        self.guarded = [folder / "victim", run.folder]
        shutil.copytree(exported, self.model)
        self.clip, self.voice, self.moved = (folder / name for name in ("clip.wav", "v.safetensors", "m.safetensors"))
        sample = run.samples()[0]
        self.expected = self.answer(make, self.model, sample, self.clip, self.voice, self.moved)
        self.before = models.snapshot(*self.guarded)

    def answer(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a call that must not fail gives."""
        outcome = self.worker.call(function, *arguments)
        assert outcome.kind == "answer", outcome
        return outcome.value

    def try_out(
        self, name: str, function: Callable[..., Any], *arguments: Any, seconds: float = WORK
    ) -> tuple[Outcome, str]:
        """What became of a call, and what was wrong with it: a fault, code that was run, a file that was touched."""
        outcome = self.worker.call(function, *arguments)
        problem = outcome.problem(name, seconds)
        if (self.folder / models.ALARM).exists():
            (self.folder / models.ALARM).unlink()
            self.worker.close()  # the module is imported now
            problem = "CODE WAS RUN"
        if models.snapshot(*self.guarded) != self.before:
            problem = "A FILE OUTSIDE WAS TOUCHED"
            self.before = models.snapshot(*self.guarded)
        return outcome, problem or ""


def make(model: Path, sample: Any, clip: Path, voice: Path, moved: Path) -> tuple[Any, ...]:
    """Write a clip and two voices; returns what they say and the first of them."""
    io.write(clip, sample.wave(16000), 16000)
    cloner = Cloner.load(model)
    cloner.clone([clip]).save(voice)
    cloner.clone([clip], "low_rank", [sample.text], steps=1).save(moved)
    return use(model, voice, clip), use(model, moved, clip)


def use(model: Path, voice: Path, clip: Path) -> tuple[bytes, bytes]:
    """What a voice says by a model, and the voice of a clip; raises AssertionError for NaN and endless speech."""
    cloner = Cloner.load(model)
    wave = cloner.say(TEXT, Voice.load(voice)).wave
    heard = cloner.clone([clip]).embedding
    assert wave.isfinite().all(), "speaks NaN"
    assert heard.isfinite().all(), "hears NaN"
    assert len(wave) < 60 * cloner.sample_rate, "endless"
    return wave.numpy().tobytes(), heard.numpy().tobytes()
