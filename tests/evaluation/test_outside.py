from pathlib import Path

import pytest
import torch

from lightning_vc.audio import io
from lightning_vc.evaluation import outside
from lightning_vc.evaluation.outside import Heard, Intelligibility, Judge, absent, errors, opinion
from lightning_vc.evaluation.sounds import Opinion


class Loudest(Judge):
    """How loud the loudest sample is, and how many references there are."""

    package = "torch"
    says = ("loudest", "references")

    def __call__(self, heard: Heard) -> Opinion:
        return {"loudest": round(float(heard.wave.abs().max()), 3), "references": len(heard.references)}


class Nobody(Loudest):
    package = "a_package_that_nobody_has"


@pytest.fixture
def sounds(tmp_path: Path) -> list[Path]:
    torch.manual_seed(0)
    paths = [tmp_path / f"{name}.wav" for name in ("noise", "silence", "short")]
    waves = 0.1 * torch.randn(16000), torch.zeros(16000), 0.1 * torch.randn(1000)
    for path, wave in zip(paths, waves, strict=True):
        io.write(path, wave, 16000)
    return paths


def test_errors_are_counted_in_words_and_letters() -> None:
    assert errors("the dog", "The dog slept!") == {"words": 3, "word_errors": 1, "letters": 13, "letter_errors": 6}


def test_silence_is_said_and_all_its_words_are_lost(sounds: list[Path]) -> None:
    noise, silence, short = (opinion([Loudest([])], sound, [sounds[0]], "the dog slept") for sound in sounds)
    assert noise == {"silent": False, "loudest": 0.9, "references": 1}
    assert silence == short == {"silent": True, **errors("", "the dog slept")}


def test_who_is_absent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "KINDS", (Loudest, Nobody))
    assert absent() == ["loudest, references (package a_package_that_nobody_has)"]
    assert [type(each) for each in outside.present([])] == [Loudest]


def test_noise_is_not_understood(sounds: list[Path]) -> None:
    recogniser = Intelligibility(["the dog slept", "seven golden apples"])
    said = opinion([recogniser], sounds[0], [], "the dog slept")
    assert said["word_errors"] >= said["words"] == 3
    assert "right" in said
