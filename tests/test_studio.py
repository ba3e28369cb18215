"""What the studio's page calls, without gradio."""

import logging
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from lightning_vc import Cloner, Voice
from lightning_vc.audio import io
from lightning_vc.plots import draw_speech
from lightning_vc.recipes.studio import main
from lightning_vc.studio import actions
from lightning_vc.studio.actions import Clip
from tests.tiny import TinyRun

TEXT = "The old dog slept. Then it woke."
CONSENT = "Ann, 2026-11-30: for this test"


@pytest.fixture(scope="module")
def cloner(tiny_run: TinyRun) -> Cloner:
    return Cloner.load(tiny_run.folder)


@pytest.fixture
def clip(tiny_run: TinyRun, tmp_path: Path) -> str:
    """A recording, beginning and ending in speech."""
    path = tmp_path / "a clip.wav"
    io.write(path, torch.cat([sample.wave(16000) for sample in tiny_run.samples()[:2]]), 16000)
    return str(path)


def test_what_is_wrong_with_a_clip_is_found_without_its_path(cloner: Cloner, clip: str, tmp_path: Path) -> None:
    wave = io.read(clip, 16000)
    loud, noise = str(tmp_path / "loud.wav"), str(tmp_path / "noise.wav")
    io.write(loud, (20 * wave).clamp(-1, 1), 16000)
    Path(noise).write_bytes(b"<html>")
    examined = {path: actions.examine(cloner, path, lambda path: "what I say") for path in (clip, loud, noise)}
    assert examined[clip].name == "a clip.wav"
    assert examined[clip].seconds == pytest.approx(len(wave) / 16000, abs=1)
    assert examined[clip].transcript == "what I say"
    assert not any("too loud" in text for text in examined[clip].warnings)
    assert any(text.startswith("This clip was recorded too loud") for text in examined[loud].warnings)
    assert examined[noise].error.startswith("This clip cannot be read as audio")
    assert not any(str(tmp_path) in f"{each.warnings}{each.error}" for each in examined.values())


def test_warnings_of_other_threads_are_not_collected() -> None:
    logger = logging.getLogger("lightning_vc")
    with actions.collected_warnings() as warnings:
        other = threading.Thread(target=logger.warning, args=["there"])
        other.start()
        other.join()
        logger.warning("here")
    logger.warning("afterwards")
    assert warnings == ["here"]


@pytest.mark.parametrize(
    ("agreed", "consent", "message"),
    [
        (False, CONSENT, "tick the box"),
        (True, " ", "statement of consent is empty"),
        (True, "x" * 1001, "1001 characters"),
    ],
)
def test_a_clone_needs_consent(cloner: Cloner, clip: str, agreed: bool, consent: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        actions.clone(cloner, [Clip(clip)], [""], "encoder", agreed, consent)


def test_a_clone_has_the_consent_and_speaks(cloner: Cloner, clip: str, tmp_path: Path) -> None:
    voice, warnings = actions.clone(cloner, [actions.examine(cloner, clip)], [""], "encoder", True, f" {CONSENT} ")
    assert (voice.method, voice.clips, voice.consent) == ("encoder", 1, CONSENT)
    assert warnings == []  # those of the clip stand beside it
    assert Voice.load(actions.voice_file(voice, str(tmp_path))).about == voice.about
    take = actions.speak(cloner, voice, TEXT, str(tmp_path))
    assert take.sound.name == "encoder.wav"
    assert soundfile.info(take.sound).duration > 0.1
    assert take.plot.read_bytes().startswith(b"\x89PNG")
    assert take.sound.is_relative_to(tmp_path)


def test_adaptation_needs_the_transcript_of_each_clip(cloner: Cloner, clip: str) -> None:
    with pytest.raises(ValueError, match=r"^a clip.wav has no transcript"):
        actions.clone(cloner, [Clip(clip)], [" "], "embedding", True, CONSENT)
    with pytest.raises(ValueError, match=r"a clip.wav has .* phonemes a second") as error:
        actions.clone(cloner, [Clip(clip)], ["One two three. " * 60], "embedding", True, CONSENT)
    assert str(Path(clip).parent) not in str(error.value)


def test_limits(cloner: Cloner, clip: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="51 clips"):
        actions.clone(cloner, [Clip(clip)] * 51, [""] * 51, "encoder", True, CONSENT)
    with pytest.raises(ValueError, match="2001 characters"):
        actions.speak(cloner, cloner.speaker(cloner.speakers[0]), "a" * 2001, str(tmp_path))
    with pytest.raises(ValueError, match="limit is 2000"):
        actions.clone(cloner, [Clip(clip)], ["a" * 2001], "embedding", True, CONSENT)
    with pytest.raises(ValueError, match="no clips"):
        actions.clone(cloner, [], [], "encoder", True, CONSENT)


def test_the_plot_has_seconds_and_kilohertz(cloner: Cloner) -> None:
    speech = cloner.say(TEXT, cloner.speaker(cloner.speakers[0]))
    hop = cloner.tts.spectrograms.hop
    upper, lower = draw_speech(speech, hop).axes
    seconds = speech.spectra.linear.shape[1] * hop / speech.sample_rate
    assert upper.images[0].get_extent() == pytest.approx((0, seconds, 0, 8))
    assert upper.get_ylabel() == "frequency (kHz)"
    assert lower.get_xlabel() == "time (s, without pauses between sentences)"
    assert lower.images[0].get_array().shape[0] == len(speech.symbols)


def test_the_name_of_a_file_is_plain() -> None:
    assert actions.plain("my.module/../Method") == "my_module____Method"
    assert actions.plain("") == "voice"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--share"], "--share lets others"),
        (["--host", "0.0.0.0"], "--host 0.0.0.0 lets others"),
        (["--host", "example.org"], "--host example.org lets others"),
        (["--share", "--password", "1234567"], "has 7 characters"),
    ],
)
def test_others_need_a_password(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 1
    assert message in capsys.readouterr().err


def test_the_password_can_come_from_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTNING_VC_PASSWORD", "1234567")
    with pytest.raises(SystemExit):
        main(["--share"])
    assert "has 7 characters" in capsys.readouterr().err


def test_loopback_and_passwords_are_fine() -> None:
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        actions.check_access(host, False, "")
    actions.check_access("0.0.0.0", True, "12345678")


def test_without_gradio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "")
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit):
        main([])
    assert "pip install 'lightning_vc[studio]'" in capsys.readouterr().err


def test_without_whisper_no_transcript_is_suggested(monkeypatch: pytest.MonkeyPatch, clip: str) -> None:
    monkeypatch.setattr("lightning_vc.evaluation.metrics.find_spec", lambda name: None)
    assert actions.transcriber() is None


def test_whisper_suggests_a_transcript(monkeypatch: pytest.MonkeyPatch, clip: str) -> None:
    class Model:
        def transcribe(self, wave: np.ndarray, **options: object) -> tuple[list[object], None]:
            assert wave.dtype == np.float32
            return [type("Segment", (), {"text": text})() for text in (" One.", " Two.")], None

    monkeypatch.setattr("lightning_vc.evaluation.metrics.find_spec", lambda name: "found")
    monkeypatch.setattr("lightning_vc.evaluation.metrics.Whisper.model", Model())
    transcribe = actions.transcriber()
    assert transcribe is not None
    assert transcribe(clip) == "One. Two."
