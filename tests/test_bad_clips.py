"""Clips as people have them: each is refused or warned of, by name and with a remedy, and a good one is not."""

from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

from lightning_vc import Cloner
from lightning_vc.audio import io
from lightning_vc.data.reading import clips_of
from tests.tiny import TinyRun

RATE = 16000

pytestmark = pytest.mark.usefixtures("printed")


@pytest.fixture(scope="module")
def cloner(tiny_run: TinyRun) -> Cloner:
    return Cloner.load(tiny_run.folder)


def said_by(run: TinyRun, number: int) -> Tensor:
    """Six seconds of a generated speaker, with pauses."""
    waves = [sample.wave(RATE) for sample in clips_of(run.index, run.index.speakers_of("test")[number].id)]
    return torch.cat([part for wave in waves for part in (wave, torch.zeros(RATE // 5))])[: 6 * RATE]


@pytest.fixture(scope="module")
def said(tiny_run: TinyRun) -> Tensor:
    return said_by(tiny_run, 0)


def chords(samples: int) -> Tensor:
    time = torch.arange(samples) / RATE
    return sum((torch.sin(2 * torch.pi * hertz * time) for hertz in (196, 247, 294, 330)), torch.zeros(samples))


def behind(said: Tensor, other: Tensor, decibels: float) -> Tensor:
    return said + other / other.std() * said.std() * 10 ** (-decibels / 20)


def spoilt(kind: str, said: Tensor) -> Tensor:
    torch.manual_seed(0)
    loud = torch.cat([part for part in said.split(RATE) if part.abs().max() > 0.05])
    made = {
        "short": loud[: int(0.6 * RATE)],
        "tiny": loud[2000 : 2000 + int(0.15 * RATE)],
        "clipped": (20 * said).clamp(-0.5, 0.5),
        "noise": behind(said, torch.randn(len(said)), 8),
        "music": behind(said, chords(len(said)), 8),
        "telephone": io.resample(io.resample(said, RATE, 8000), 8000, RATE),
        "silent": torch.zeros(RATE),
        "muted": 1e-5 * torch.randn(RATE),
        "good": said,
        "quiet": 0.01 * said,
        "silence around": torch.cat([torch.zeros(RATE), said, torch.zeros(2 * RATE)]),
        "ten minutes": said.repeat(100),
    }[kind]
    return made


@pytest.mark.parametrize(
    ("kind", "warning"),
    [
        ("short", "of sound only, too little to clone a voice well"),
        ("clipped", "was recorded too loud"),
        ("noise", "has noise or other people behind the voice"),
        ("music", "has music behind the voice"),
        ("telephone", "has nothing above some 5 kHz"),
    ],
)
def test_defects_of_clips_cause_warnings(
    cloner: Cloner, said: Tensor, kind: str, warning: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    io.write(tmp_path / "mine.wav", spoilt(kind, said), RATE)
    io.write(tmp_path / "good.wav", said, RATE)
    cloner.clone([tmp_path / "good.wav", tmp_path / "mine.wav"])
    printed = [line for line in capsys.readouterr().err.splitlines() if warning in line]
    assert [line.split(" ")[:2] for line in printed] == [["warning:", str(tmp_path / "mine.wav")]]


def clicked(said: Tensor) -> Tensor:
    """Speech with a peak of 0.1, a pause, and a click of 5 ms and 0.9 in it."""
    pause = torch.zeros(RATE)
    pause[RATE // 2 : RATE // 2 + RATE // 200] = 0.9
    return torch.cat([0.1 * said / said.abs().max(), pause])


def paused(said: Tensor) -> Tensor:
    """Pieces of a second with pauses of 1.5 s between them."""
    return torch.cat([part for piece in said.split(RATE) for part in (piece, torch.zeros(3 * RATE // 2))])


def moved(cloner: Cloner, said: Tensor, spoilt: Tensor, folder: Path) -> float:
    """How far the voice of (W,) or (W, channels) is from that of what was said, relative to its own size."""
    io.write(folder / "good.wav", said, RATE)
    soundfile.write(folder / "mine.wav", spoilt.numpy(), RATE, subtype="FLOAT")
    good, mine = (cloner.clone([folder / name]).embedding for name in ("good.wav", "mine.wav"))
    return float((mine - good).norm() / (good - cloner.tts.table.weight.detach().mean(0)).norm())


def test_clicks_are_told_and_do_not_change_the_voice(
    cloner: Cloner, said: Tensor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert moved(cloner, said, clicked(said), tmp_path) < 0.05
    [warning] = capsys.readouterr().err.splitlines()
    assert f"{tmp_path / 'mine.wav'} has clicks or thumps much louder than the voice (at 6.5 s)" in warning


@pytest.mark.parametrize("offset", [0.01, 0.05, 0.1])
def test_an_offset_changes_nothing_and_causes_no_warning(
    cloner: Cloner, said: Tensor, offset: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert moved(cloner, said, 0.5 * said + offset, tmp_path) < 0.02
    assert capsys.readouterr().err == ""


def test_long_pauses_do_not_change_the_voice(
    cloner: Cloner, said: Tensor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = torch.cat([part for piece in said.split(RATE) for part in (piece, torch.zeros(3 * RATE // 10))])
    assert moved(cloner, short, paused(said), tmp_path) < 0.05
    assert capsys.readouterr().err == ""


def test_an_inverted_channel_is_dropped_with_a_warning(
    cloner: Cloner, said: Tensor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert moved(cloner, said, torch.stack([said, -said], 1), tmp_path) < 1e-3
    [warning] = capsys.readouterr().err.splitlines()
    assert f"{tmp_path / 'mine.wav'} has channels that cancel each other, one is inverted" in warning


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_clipping_is_detected_at_any_sample_rate(
    cloner: Cloner, said: Tensor, rate: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = io.resample(said, RATE, rate)
    limit = 3 * float(recorded.std())
    io.write(tmp_path / "loud.wav", recorded.clamp(-limit, limit), rate)
    io.write(tmp_path / "good.wav", recorded, rate)
    cloner.clone([tmp_path / "loud.wav", tmp_path / "good.wav"])
    [warning] = capsys.readouterr().err.splitlines()
    assert f"{tmp_path / 'loud.wav'} was recorded too loud" in warning


def test_two_speakers_in_a_clip(
    cloner: Cloner, said: Tensor, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    io.write(tmp_path / "two.wav", torch.cat([said, said_by(tiny_run, 1)]), RATE)
    cloner.clone([tmp_path / "two.wav"])
    assert f"warning: {tmp_path / 'two.wav'} seems to have two speakers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("tiny", r"mine\.wav has 0\.\d\d s of sound: give a recording of 0\.3 s or more"),
        ("silent", r"mine\.wav is silent: give a recording in which somebody speaks"),
        ("muted", r"mine\.wav is silent"),
    ],
)
def test_silent_clips_are_refused(cloner: Cloner, said: Tensor, kind: str, reason: str, tmp_path: Path) -> None:
    io.write(tmp_path / "mine.wav", spoilt(kind, said), RATE)
    with pytest.raises(ValueError, match=reason):
        cloner.clone([tmp_path / "mine.wav"])


@pytest.mark.parametrize("kind", ["good", "quiet", "silence around", "ten minutes"])
def test_good_clips_cause_no_warning(
    cloner: Cloner, said: Tensor, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    io.write(tmp_path / "mine.wav", spoilt(kind, said), RATE)
    voice = cloner.clone([tmp_path / "mine.wav"])
    assert capsys.readouterr().err == ""
    assert voice.embedding.isfinite().all()
    assert voice.seconds == pytest.approx(len(said) / RATE * (100 if kind == "ten minutes" else 1), abs=0.6)


def test_of_a_long_clip_ten_minutes_are_used(
    cloner: Cloner, said: Tensor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    io.write(tmp_path / "talk.wav", said.repeat(110), RATE)
    assert cloner.clone([tmp_path / "talk.wav"]).seconds == pytest.approx(600, abs=0.6)
    assert f"warning: {tmp_path / 'talk.wav'} is longer than 600 s: the rest is not used" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
@pytest.mark.parametrize("rate", [8000, 48000])
def test_any_format_and_rate(cloner: Cloner, said: Tensor, suffix: str, rate: int, tmp_path: Path) -> None:
    io.write(tmp_path / f"mine{suffix}", io.resample(said, RATE, rate), rate)
    assert cloner.clone([tmp_path / f"mine{suffix}"]).seconds == pytest.approx(len(said) / RATE, abs=0.6)
