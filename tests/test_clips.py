"""Clips of all kinds: paths, open files, arrays and tensors."""

import io as bytes_io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from lightning_vc import Cloner
from lightning_vc.audio import io
from lightning_vc.clips import read_clips
from tests.tiny import TinyRun

RATE = 22050


@pytest.fixture(scope="module")
def cloner(tiny_run: TinyRun) -> Cloner:
    return Cloner.load(tiny_run.folder)


@pytest.fixture(scope="module")
def wave(tiny_run: TinyRun) -> Tensor:
    """A recording with a level of 16-bit integers, so that files hold exactly the same."""
    return (tiny_run.samples()[0].wave(RATE) * 32768).round().clamp(-32768, 32767) / 32768


def test_a_clip_of_any_kind_makes_the_same_voice(cloner: Cloner, wave: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    io.write(path, wave, RATE)
    samples = wave.numpy()
    expected = cloner.clone([path])
    with path.open("rb") as file:
        assert cloner.clone([file]) == expected
    integers, unsigned = (samples * 32768).astype(np.int16), ((samples + 1) * 32768).astype(np.uint16)
    for clip in (
        *(str(path), bytes_io.BytesIO(path.read_bytes()), (samples, RATE), (wave, RATE)),
        *((wave, np.int64(RATE)), (wave, np.int16(RATE))),
        *((integers, RATE), (torch.from_numpy(integers), RATE), (unsigned, RATE), (samples.astype(np.float64), RATE)),
        *((samples[:, None], RATE), (wave.unsqueeze(0), RATE), (wave.expand(2, -1), RATE)),
    ):
        assert cloner.clone([clip]) == expected
    assert cloner.clone([wave, samples], sample_rate=RATE).embedding.equal(cloner.clone([path, path]).embedding)


@pytest.mark.parametrize(
    ("clip", "error", "message"),
    [
        (torch.zeros(16000), ValueError, "clip 2 is of type Tensor without a sample rate: give sample_rate"),
        (np.zeros(16000), ValueError, "clip 2 is of type ndarray without a sample rate: give sample_rate"),
        ((np.zeros(16000), 16000), ValueError, "clip 2 is silent"),
        ((torch.zeros(0), 16000), ValueError, r"clip 2 has the shape \(0,\): give \(W,\) or \(W, channels\) samples"),
        ((torch.zeros(2, 3, 4), 16000), ValueError, r"clip 2 has the shape \(2, 3, 4\)"),
        ((torch.zeros(100), 100), ValueError, "clip 2 declares a sample rate of 100 Hz: give one of 1000 to 768000"),
        ((torch.zeros(100), 1e4), TypeError, "clip 2 has a sample rate of type float: give an integer, in hertz"),
        ((16000, np.zeros(100)), TypeError, r"clip 2 is a tuple of \(int, ndarray\): give \(samples, sample rate\)"),
        ((torch.zeros(9, dtype=torch.bool), 16000), TypeError, "clip 2 has samples of type bool: give floats or int"),
        ((torch.full((9,), torch.nan), 16000), ValueError, "clip 2 holds samples that are NaN or infinite"),
        ([0.0, 0.1], TypeError, r"clip 2 is of type list: give a path, an open binary file, \(samples, sample rate\)"),
        (b"RIFF", TypeError, "clip 2 is of type bytes: give a path"),
        (bytes_io.StringIO("a"), TypeError, "must be a path or an open binary file, not StringIO"),
        (bytes_io.BytesIO(b"hello"), ValueError, "clip 2 cannot be read as audio"),
    ],
)
def test_a_clip_that_cannot_be_used_is_named(
    cloner: Cloner, wave: Tensor, clip: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        cloner.clone([(wave, RATE), clip])


def test_samples_without_data_of_their_own_are_refused(wave: Tensor) -> None:
    for samples in (
        wave.to("meta"),
        wave.to_sparse(),
        torch.nested.nested_tensor([wave, wave[:9]]),
    ):
        with pytest.raises(TypeError, match="clip 1 is a sparse, nested or quantised tensor, or has no data"):
            read_clips([(samples, RATE)], RATE)


def test_samples_and_rates_of_any_type_are_read(wave: Tensor) -> None:
    (expected,) = read_clips([(wave, RATE)], 16000)
    for samples, rate in ((wave, np.uint16(RATE)), (torch.complex(-wave, -wave).conj().imag, RATE)):
        assert read_clips([(samples, rate)], 16000)[0].wave.equal(expected.wave)  # type: ignore[list-item]


def test_an_expanded_tensor_is_cut_before_it_is_converted() -> None:
    with pytest.raises(ValueError, match="clip 1 is silent"):
        read_clips([(torch.zeros(1, dtype=torch.bfloat16).expand(10**13), 1000)], 1000)


def test_a_sample_rate_that_nothing_needs_is_refused(cloner: Cloner, wave: Tensor) -> None:
    with pytest.raises(ValueError, match="sample_rate is 16000, and each clip has its own: leave sample_rate out"):
        cloner.clone([(wave, RATE)], sample_rate=16000)


def test_of_long_samples_ten_minutes_are_used(caplog: pytest.LogCaptureFixture) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 1000 * 601).astype(np.float32)
    [recording] = read_clips([(noise, 1000)], 1000)
    assert len(recording.wave) == 600 * 1000
    assert "clip 1 is longer than 600 s: the rest is not used" in caplog.text


def test_warnings_of_clips_go_to_the_log(
    cloner: Cloner, wave: Tensor, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    cloner.clone([(wave, RATE), ((20 * wave).clamp(-0.5, 0.5), RATE)])
    [record] = [record for record in caplog.records if "too loud" in record.message]
    assert (record.name, record.levelno) == ("lightning_vc", logging.WARNING)
    assert record.message.startswith("clip 2 was recorded too loud (")
    assert capsys.readouterr().err == ""


def test_adaptation_takes_samples_and_names_them(cloner: Cloner, wave: Tensor, tiny_run: TinyRun) -> None:
    text = tiny_run.samples()[0].text or ""
    assert cloner.clone([(wave, RATE)], "embedding", [text], steps=1).clips == 1
    with pytest.raises(ValueError, match=r"^clip 1 has .* phonemes a second"):
        cloner.clone([(wave, RATE)], "embedding", [text * 20], steps=1)


def test_a_command_shows_steps_and_loss_of_adaptation(
    cloner: Cloner, wave: Tensor, tiny_run: TinyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    cloner.clone([(wave, RATE)], "embedding", [tiny_run.samples()[0].text or ""], steps=2, progress=True)
    told = capsys.readouterr()
    lines = told.err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["step 1 of 2", "step 2 of 2"]
    assert "loss" in lines[0]
    assert told.out == ""


def test_steps_are_reported_and_can_be_stopped(cloner: Cloner, wave: Tensor, tiny_run: TinyRun) -> None:
    texts, steps = [tiny_run.samples()[0].text or ""], []
    cloner.clone([(wave, RATE)], "embedding", texts, steps=3, progress=lambda done, count: steps.append((done, count)))
    assert steps == [(1, 3), (2, 3), (3, 3)]

    def stop(done: int, count: int) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        cloner.clone([(wave, RATE)], "embedding", texts, steps=3, progress=stop)


def test_progress_of_adaptation_is_shown_as_that_of_training(
    cloner: Cloner, wave: Tensor, tiny_run: TinyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    cloner.clone([(wave, RATE)], "embedding", [tiny_run.samples()[0].text or ""], steps=3, progress=True)
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("step 1 of 3, loss ")
    assert last.startswith("step 3 of 3, ")


def test_soundfile_reads_what_is_cloned(cloner: Cloner, wave: Tensor, tmp_path: Path) -> None:
    io.write(tmp_path / "a.flac", wave, RATE)
    assert cloner.clone([soundfile.read(tmp_path / "a.flac")]) == cloner.clone([tmp_path / "a.flac"])
