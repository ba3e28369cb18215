import sys

import pytest
import torch

from lightning_vc.corpora.espeak import synthesize, voice_lines

MAN = "language en-gb\npitch 82 118\n"


def loudest_pitch(wave: torch.Tensor, rate: int) -> float:
    """The pitch in hertz of which a voice has most, by autocorrelation over the whole."""
    spectrum = torch.fft.rfft(wave, n=2 * len(wave))
    correlation = torch.fft.irfft(spectrum.abs() ** 2)
    low, high = rate // 400, rate // 60
    return rate / (low + int(correlation[low:high].argmax()))


def test_samples_and_their_rate() -> None:
    wave, rate = synthesize("Good morning.", MAN)
    assert wave.dtype == torch.float32
    assert wave.ndim == 1
    assert 0.5 < len(wave) / rate < 2
    assert 0.05 < wave.abs().max() < 1


def test_the_pitch_is_that_of_the_voice() -> None:
    low, rate = synthesize("We all know where you are now.", "language en-us\npitch 95 105\n")
    high, _ = synthesize("We all know where you are now.", "language en-us\npitch 190 210\n")
    assert 85 < loudest_pitch(low, rate) < 125
    assert 170 < loudest_pitch(high, rate) < 250


def test_a_higher_rate_is_shorter() -> None:
    slow, quick = (synthesize("We all know where you are now.", MAN, rate)[0] for rate in (140, 200))
    assert len(quick) < 0.85 * len(slow)


def test_output_does_not_depend_on_earlier_calls() -> None:
    breathy = MAN + "breath 0 4 6 6 6 6 0 10\nflutter 8\n"
    first, _ = synthesize("Some fish.", breathy)
    synthesize("Something else, and by another voice.", "language en-us\nflutter 5\nklatt 6\n")
    again, _ = synthesize("Some fish.", breathy)
    assert torch.equal(first, again)


@pytest.mark.parametrize("folder", ["a+b", "a" * 100])
def test_any_temporary_folder_will_do(
    folder: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp(folder)))
    assert len(synthesize("Hello.", MAN)[0])


@pytest.mark.parametrize("text", ["", " ", "..."])
def test_nothing_to_say(text: str) -> None:
    with pytest.raises(ValueError, match="espeak-ng produces silence for"):
        synthesize(text, MAN)


def test_its_own_voices_can_be_looked_at() -> None:
    assert "language variant" in voice_lines("voices/!v/f2")
    with pytest.raises(ValueError, match=r"no voice file .*f99: its folder has .*f2, f3"):
        voice_lines("voices/!v/f99")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ImportError, match=r"pip install lightning_vc\[demo\]"):
        synthesize("Hello.", MAN)
