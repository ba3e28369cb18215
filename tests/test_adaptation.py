import os
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_vc import adaptation
from lightning_vc.adaptation import METHODS, KeepBest, Method, adapt, samples_of
from lightning_vc.audio.io import read
from lightning_vc.checkpoint import load_model
from lightning_vc.corpora.librispeech import LibriSpeech
from lightning_vc.data.reading import clips_of
from lightning_vc.data.tts import collate_tts
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.tasks.adaptation import AdaptationTask, EmbeddingAdaptationTask
from lightning_vc.text.normalize import normalize
from tests.tiny import TinyRun


@pytest.fixture(scope="module")
def tts(tiny_run: TinyRun) -> TTSModel:
    return load_model(tiny_run.tts, TTSModel)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The losses of the clips that were put aside, one after each step of the method "wild"."""
    losses: list[float] = []

    class Watched(KeepBest):
        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            super().on_validation_end(trainer, pl_module)
            losses.append(float(trainer.callback_metrics["val/loss"]))

    def wild(tts: TTSModel, **options: Any) -> AdaptationTask:
        return EmbeddingAdaptationTask(tts, lambda p: torch.optim.Adam(p, lr=0.5), **options)

    monkeypatch.setattr(adaptation, "training_precision", lambda *_: "32-true")  # so that losses can be compared
    monkeypatch.setattr(adaptation, "KeepBest", Watched)
    monkeypatch.setattr(adaptation, "_VALIDATION_INTERVAL", 1)
    monkeypatch.setattr(adaptation, "_MIN_SAMPLES", 5)
    monkeypatch.setattr(adaptation, "_SAMPLES_PER_HELD_OUT", 5)
    monkeypatch.setitem(METHODS, "wild", Method(wild, steps=60))
    return losses


def test_it_stops_by_the_clip_that_was_put_aside(tiny_run: TinyRun, tts: TTSModel, seen: list[float]) -> None:
    samples = tiny_run.samples()[:5]
    task = adapt(tts, "wild", samples, steps=60)
    assert 5 <= len(seen) < 60
    assert min(seen) < seen[-1]
    batch = collate_tts(samples[:1], task.tts.frontend, {samples[0].speaker.id: 0}, 16000)
    assert float(task.loss(batch)["loss"]) == pytest.approx(min(seen), rel=1e-5)


def test_the_initial_voice_is_kept_where_training_makes_it_worse(
    tiny_run: TinyRun, tts: TTSModel, seen: list[float]
) -> None:
    encoder = load_model(tiny_run.encoder, SpeakerEncoder)  # type: ignore[type-abstract]
    samples = tiny_run.samples()[:5]
    begun = EmbeddingAdaptationTask(tts, init="encoder", encoder=encoder)
    begun.begin(collate_tts(samples[1:], tts.frontend, {samples[0].speaker.id: 0}, 16000))
    assert not begun.embedding.equal(EmbeddingAdaptationTask(tts).embedding)
    task = adapt(tts, "wild", samples, steps=60, init="encoder", encoder=encoder)
    batch = collate_tts(samples[:1], tts.frontend, {samples[0].speaker.id: 0}, 16000)
    assert seen[0] == pytest.approx(float(begun.loss(batch)["loss"]), rel=1e-5)
    assert float(task.loss(batch)["loss"]) == pytest.approx(min(seen), rel=1e-5)


def test_fewer_clips_are_trained_on_to_the_end(tiny_run: TinyRun, tts: TTSModel, seen: list[float]) -> None:
    task = adapt(tts, "wild", tiny_run.samples()[:4], steps=3)
    assert seen == []
    assert (task.embedding - task.tts.table.weight.mean(0)).abs().max() > 0.5


def test_an_interrupt_is_reported_as_such(tiny_run: TinyRun, tts: TTSModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(EmbeddingAdaptationTask, "on_train_batch_end", interrupt)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):  # Lightning makes it an exit with status 1
            adapt(tts, "embedding", tiny_run.samples()[:1], steps=9)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_it_leaves_the_random_numbers_of_others_alone(tiny_run: TinyRun, tts: TTSModel) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    adapt(tts, "low_rank", tiny_run.samples()[:1], steps=1)
    assert torch.rand(1).equal(expected)


def test_a_long_recording_is_cut_at_its_pauses(shared_data: Path) -> None:
    long = next(
        each
        for each in LibriSpeech(shared_data / "LibriSpeech", ["train-clean-5"])
        if (each.text or "").startswith("AS YOU KNOW AND AS I HAVE GIVEN")
    )
    assert long.audio is not None
    wave = read(long.audio, 16000)
    assert len(wave) > 15 * 16000
    samples = samples_of("long.wav", wave, long.text or "", 16000)
    assert len(samples) >= 2
    assert len({sample.id for sample in samples}) == len(samples)
    for sample in samples:
        assert 0.5 < sample.seconds <= 10
        assert sample.spans is not None
        assert sample.words is not None
        assert len(sample.spans) == sum(bool(word.phonemes) for word in sample.words)
        assert len(sample.wave(16000)) == round(sample.seconds * 16000)
    said = [word.text for sample in samples for word in sample.words or () if word.phonemes]
    assert said == [word.text for word in normalize(long.text or "") if word.phonemes]
    (whole,) = samples_of("long.wav", wave[: 9 * 16000], long.text or "", 16000)
    assert (whole.seconds, whole.spans) == (9.0, None)


def test_a_long_recording_of_something_else() -> None:
    noise = torch.rand(11 * 16000) - 0.5
    with pytest.raises(ValueError, match=r"long\.wav has 11 s, in which its transcript was not found"):
        samples_of("long.wav", noise, "It is far too much to be said in this time. " * 4, 16000)
    with pytest.raises(ValueError, match=r"the transcript of long\.wav: text '\*\*\*' has nothing to speak"):
        samples_of("long.wav", noise, "***", 16000)


@pytest.mark.parametrize(("text", "rate"), [("It is far too much to be said in this time. " * 5, "75"), ("A.", "0.6")])
def test_a_text_of_another_length_is_of_another_clip(text: str, rate: str) -> None:
    reason = rf"mine\.wav has 1\.8 s and its transcript {rate}.* phonemes a second, where speech has 2 to 30"
    with pytest.raises(ValueError, match=reason):
        samples_of("mine.wav", torch.rand(int(1.8 * 16000)) - 0.5, text, 16000)


@pytest.mark.usefixtures("printed")
def test_a_text_of_another_clip_is_noticed(tiny_run: TinyRun, capsys: pytest.CaptureFixture[str]) -> None:
    """Not always: of wrong texts of some clips, and hardly ever of right ones."""
    said = clips_of(tiny_run.index, tiny_run.index.speakers_of("train")[0].id)
    for right in said:
        samples_of("right.wav", right.wave(16000), right.text or "", 16000)
    assert capsys.readouterr().err.count("transcript of right.wav was not found in it") <= len(said) // 10
    for right, wrong in pairwise(said):
        samples_of("wrong.wav", right.wave(16000), wrong.text or "", 16000)
    warnings = capsys.readouterr().err
    assert warnings.count("transcript of wrong.wav was not found in it") > len(said) // 2
    for cause in ("the texts are not in the order of the clips", "the clip is cut off", "not in English"):
        assert warnings.count(cause) == len(warnings.splitlines())
