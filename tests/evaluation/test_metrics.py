import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lightning_vc.audio import io
from lightning_vc.evaluation.folder import Row, Scores, Sound, read_scores
from lightning_vc.evaluation.metrics import DNSMOS, EncoderSimilarity, Metric, Resemblyzer, Whisper, audible, score


class Peak(Metric):
    """How loud the loudest sample is."""

    inputs = ("references",)

    def __init__(self) -> None:
        self.asked: list[Path] = []

    def __call__(self, sound: Sound) -> Scores:
        self.asked.append(sound.path)
        return {"peak": round(float(io.read(sound.path, 16000).abs().max()), 1)}


@pytest.fixture
def sounds(tmp_path: Path) -> list[Sound]:
    torch.manual_seed(0)
    waves = {"noise": 0.1 * torch.randn(16000), "silence": torch.zeros(16000), "short": 0.1 * torch.randn(1000)}
    for name, wave in waves.items():
        io.write(tmp_path / f"{name}.wav", wave, 16000)
    paths = [tmp_path / f"{name}.wav" for name in waves]
    return [Sound(path, Row("a"), "somebody", "The dog slept 2 hours.", tuple(paths)) for path in paths]


def test_sounds_are_scored_once(sounds: list[Sound], tmp_path: Path) -> None:
    record, peak = tmp_path / "scores.jsonl", Peak()
    scores = score([peak], sounds, record)
    assert scores[sounds[1]] == {"peak": 0}
    lines = record.read_text().splitlines()
    record.write_text(f"{lines[0]}\n{lines[1][:9]}")
    assert score([peak], sounds, record) == scores
    assert peak.asked == [sound.path for sound in (*sounds, *sounds[1:])]
    assert record.read_text().splitlines() == lines
    io.write(sounds[0].path, torch.ones(16000) * 0.5, 16000)  # another sound, which is a reference of all, too
    score([peak], sounds, record)
    assert len(peak.asked) == 5 + 3
    peak.inputs = ("text",)
    copies = [replace(sound, row=Row("b"), references=()) for sound in sounds]
    assert len(score([peak], [*sounds, *copies], record)) == 6
    assert len(peak.asked) == 5 + 3 + 3  # no copy


def test_a_sound_too_short_for_the_encoder_has_no_likeness(sounds: list[Sound]) -> None:
    """A model that ends at once would end an evaluation of hours."""
    cloner: Any = SimpleNamespace(encoder=torch.nn.Linear(1, 1), sample_rate=16000, embed=lambda _: torch.ones(2))
    metric = EncoderSimilarity(cloner)
    assert [metric(sound) for sound in sounds] == [{"likeness": pytest.approx(1)}, {"likeness": pytest.approx(1)}, {}]


def test_a_package_that_is_not_installed(sounds: list[Sound], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peak, "packages", ("a_package_that_nobody_has",))
    assert Peak().missing() == ["a_package_that_nobody_has"]
    assert score([Peak()], sounds, tmp_path / "scores.jsonl") == {sound: {} for sound in sounds}
    monkeypatch.setattr(Peak, "packages", ())
    monkeypatch.setattr(Peak, "__call__", lambda *_: __import__("another_package_that_nobody_has"))
    with pytest.raises(ValueError, match=r"No module named 'another.*: pip install 'lightning_vc\[judges\]'"):
        score([Peak()], sounds, tmp_path / "scores.jsonl")
    assert read_scores(tmp_path / "scores.jsonl") == {}


def test_inputs_of_objective_metrics_are_normalised_and_not_silent(sounds: list[Sound]) -> None:
    noise, silence, short = (audible(sound.path) for sound in sounds)
    assert noise is not None
    assert np.abs(noise).max() == pytest.approx(0.9)
    assert silence is None
    assert short is None


def test_whisper_counts_errors_in_spoken_words(sounds: list[Sound]) -> None:
    whisper = Whisper("a model")
    calls: list[Any] = []

    def transcribe(wave: Any, **options: Any) -> Any:
        calls.append(wave)
        return [SimpleNamespace(text=" The dog,"), SimpleNamespace(text=" slapped 2 hours!")], None

    whisper.model = SimpleNamespace(transcribe=transcribe)
    assert whisper(sounds[0]) == {"words": 5, "word_errors": 1}
    assert whisper(sounds[1]) == {"words": 5, "word_errors": 5}  # without asking
    assert len(calls) == 1


def test_silence_has_no_opinion_score_and_is_like_nobody(sounds: list[Sound], monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {"p808_mos": np.float32(2.5), "ovrl_mos": 3, "sig_mos": 4}
    dnsmos = SimpleNamespace(run=lambda wave, sr: scores)
    monkeypatch.setitem(sys.modules, "speechmos", SimpleNamespace(dnsmos=dnsmos))
    assert DNSMOS()(sounds[0]) == {"silent": 0, "p808": 2.5, "ovrl": 3}
    assert DNSMOS()(sounds[1]) == {"silent": 1}
    monkeypatch.setitem(sys.modules, "resemblyzer", SimpleNamespace(preprocess_wav=lambda wave, rate: wave))
    resemblyzer = Resemblyzer()
    resemblyzer.encoder = SimpleNamespace(embed_utterance=lambda wave: np.array([0.6, 0.8]))
    assert resemblyzer(sounds[0]) == {"similarity": pytest.approx(1)}  # the two silent references do not count
    assert resemblyzer(sounds[1]) == {}
