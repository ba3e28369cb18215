"""Voices by name, of the library and of the training speakers; what voices are; several threads."""

import os
import resource
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lightning_vc import Cloner, Voice
from tests.tiny import TinyRun

TEXT = "The old dog slept."


@pytest.fixture(scope="module")
def cloner(tiny_run: TinyRun) -> Cloner:
    return Cloner.load(tiny_run.folder)


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIGHTNING_VC_VOICES", str(tmp_path / "voices"))
    return tmp_path / "voices"


def test_training_speakers_speak_without_recordings(cloner: Cloner) -> None:
    assert cloner.speakers == cloner.tts.speakers
    name = cloner.speakers[1]
    voice = cloner.speaker(name)
    assert voice.embedding.equal(cloner.tts.table.weight[1].detach())
    assert (voice.method, voice.clips, voice.tts_fingerprint) == ("learned", 0, cloner.tts_fingerprint)
    assert cloner.say(TEXT, name).wave.equal(cloner.say(TEXT, voice).wave)
    with pytest.raises(ValueError, match=rf"last\.ckpt has no speaker '{name}x'; the model has \d+, such as .*{name}"):
        cloner.speaker(f"{name}x")


def test_a_voice_may_be_given_by_path_and_by_name(cloner: Cloner, library: Path) -> None:
    voice = cloner.speaker(cloner.speakers[0])
    voice.save(library / "ann.safetensors")
    expected = cloner.say(TEXT, voice).wave
    for name in ("ann", str(library / "ann.safetensors"), library / "ann.safetensors"):
        assert cloner.say_all([TEXT], name)[0].wave.equal(expected)
        assert torch.cat([part.wave for part in cloner.stream(TEXT, name)]).shape == expected.shape
    cloner.speaker(cloner.speakers[1]).save(library / f"{cloner.speakers[0]}.safetensors")
    assert not cloner.say(TEXT, cloner.speakers[0]).wave.equal(expected)  # a voice of the library comes first
    with pytest.raises(
        FileNotFoundError, match=r"no voice 'bob' in .*; there are: ann, .*; nor is it a training speaker"
    ):
        cloner.say(TEXT, "bob")
    with pytest.raises(TypeError, match="voice is of type int: give a Voice, the path of a voice file, or a name"):
        cloner.say(TEXT, 3)  # type: ignore[arg-type]


def test_voices_are_what_is_in_them(cloner: Cloner, tmp_path: Path) -> None:
    name, weight = next(iter(cloner.tts.model.named_parameters()))
    voice = replace(
        cloner.speaker(cloner.speakers[0]), adapted_parameters={name: weight.detach().clone()}, consent="a\nb"
    )
    voice.save(tmp_path / "v.safetensors")
    loaded = Voice.load(tmp_path / "v.safetensors")
    others = [
        replace(voice, consent=""),
        replace(voice, embedding=voice.embedding + 1),
        replace(voice, adapted_parameters={}),
        replace(voice, adapted_parameters={name: weight.detach() + 1}),
    ]
    assert voice == loaded
    assert hash(voice) == hash(loaded)
    assert len({voice, loaded, *others}) == 5
    assert voice != "v.safetensors"
    assert len(repr(voice).splitlines()) == 1
    assert repr(voice).startswith(f"<Voice by 'learned' from 0 clips (0 s), {weight.numel()} adapted weights, model '")


def test_speed_scales_durations(cloner: Cloner) -> None:
    voice = cloner.speaker(cloner.speakers[0])
    slow, normal, fast = (cloner.say("The old dog slept. Yes.", voice, speed=speed) for speed in (0.5, 1, 2))
    assert normal.wave.equal(cloner.say("The old dog slept. Yes.", voice).wave)
    assert slow.duration == pytest.approx(2 * normal.duration, rel=0.1)
    assert normal.duration / 2 * 0.9 < fast.duration < normal.duration
    (streamed,) = (torch.cat([part.wave for part in cloner.stream(TEXT, voice, 0.5)]),)
    assert len(streamed) == len(cloner.say(TEXT, voice, 0.5).wave)
    for speed in (0.4, 2.1, float("nan")):
        with pytest.raises(ValueError, match=r"speed must be from 0\.5 to 2, got"):
            cloner.stream(TEXT, voice, speed)


def test_a_model_without_durations_keeps_its_speed(cloner: Cloner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(cloner.tts.model), "has_speed", False)
    for refuse in (lambda: cloner.say(TEXT, cloner.speakers[0], 1.5), lambda: cloner.check(TEXT, 1.5)):
        with pytest.raises(ValueError, match=r"speed is 1\.5, and ConvFastPitch predicts no durations to scale"):
            refuse()


def test_threads_speak_with_voices_of_different_weights(cloner: Cloner) -> None:
    name = "encoder.embed.weight"
    weight = cloner.tts.model.get_parameter(name).detach()
    base = cloner.speaker(cloner.speakers[0])
    voices = [replace(base, adapted_parameters={name: factor * weight}) for factor in (0.5, 2.0)]
    alone = [cloner.say(TEXT, voice).wave for voice in voices]
    assert not alone[0].equal(alone[1])
    with ThreadPoolExecutor(4) as pool:
        waves = list(pool.map(lambda number: cloner.say(TEXT, voices[number % 2]).wave, range(16)))
    assert all(wave.equal(alone[number % 2]) for number, wave in enumerate(waves))


def test_a_hundred_sentences_leave_neither_memory_nor_files(cloner: Cloner, tmp_path: Path) -> None:
    def held() -> tuple[int, int]:
        """Megabytes of memory, and open files."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() >> 20, len(os.listdir("/proc/self/fd"))

    voice = cloner.speaker(cloner.speakers[0])
    for _ in range(20):
        cloner.say(TEXT, voice).save(tmp_path / "a.wav")
    memory, files = held()
    for _ in range(100):
        cloner.say(TEXT, voice).save(tmp_path / "a.wav")
    assert held()[0] - memory < 20
    assert held()[1] <= files
