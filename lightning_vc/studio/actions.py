"""What the page of `recipes.studio` calls: clips and what is wrong with them, voices, and speech with its plot."""

import ipaddress
import logging
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lightning_vc.audio import io
from lightning_vc.clips import read_clips
from lightning_vc.cloning import Cloner
from lightning_vc.evaluation.metrics import Whisper
from lightning_vc.plots import draw_speech, save_figure
from lightning_vc.voice import Voice

MAX_CLIPS = 50
MAX_TEXT = 2_000  # characters of a text or transcript: two minutes of speech
MAX_CONSENT = 1_000
MIN_PASSWORD = 8
_WHISPER_RATE = 16_000


@dataclass(frozen=True)
class Clip:
    """An uploaded or recorded clip, and what is wrong with it."""

    path: str
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    error: str = ""  # why it cannot be used
    transcript: str = ""  # suggested

    @property
    def name(self) -> str:
        """Name of the file."""
        return Path(self.path).name


@dataclass(frozen=True)
class Take:
    """A synthesised text: sound file, picture of spectrogram and alignment, and suspected errors."""

    sound: Path
    plot: Path
    warnings: tuple[str, ...]


class _Collector(logging.Handler):
    """Collects the warnings of the thread that made it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.thread, self.messages = threading.get_ident(), list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.messages.append(record.getMessage())


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the warnings that the library logs in this thread."""
    logger, collector = logging.getLogger("lightning_vc"), _Collector()
    logger.addHandler(collector)
    try:
        yield collector.messages
    finally:
        logger.removeHandler(collector)


def check_access(host: str, share: bool, password: str) -> None:
    """Raise ValueError for a page that others can reach without a password, and for a short password."""
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if password and len(password) < MIN_PASSWORD:
        raise ValueError(f"--password has {len(password)} characters: give {MIN_PASSWORD} or more")
    if not password and (share or not is_loopback):
        option = "--share" if share else f"--host {host}"
        raise ValueError(f"{option} lets others clone and speak on this machine: give a --password too")


def read(cloner: Cloner, path: str) -> Tensor:
    """Read a clip as `Cloner.clone` does: (W,) at the model's sample rate, with its warnings and errors."""
    return read_clips([path], cloner.sample_rate)[0].wave


def check_count(clips: int) -> None:
    """Raise ValueError for too many clips."""
    if clips > MAX_CLIPS:
        raise ValueError(f"There would be {clips} clips: give {MAX_CLIPS} or fewer")


def examine(cloner: Cloner, path: str, transcribe: Callable[[str], str] | None = None) -> Clip:
    """Read a clip for its length, warnings or error, and suggest a transcript."""
    with collected_warnings() as warnings:
        try:
            seconds = len(read(cloner, path)) / cloner.sample_rate
        except (OSError, ValueError) as error:
            return Clip(path, error=_about(str(error), path))
    transcript = transcribe(path) if transcribe else ""
    return Clip(path, seconds, tuple(_about(text, path) for text in warnings), transcript=transcript)


def _about(message: str, path: str) -> str:
    """A message about one clip, without its path."""
    text = message.replace(path, "this clip")
    return text[:1].upper() + text[1:]


def transcriber() -> Callable[[str], str] | None:
    """Return a function from the path of a clip to its words by Whisper; None if that is not installed."""
    whisper = Whisper()
    if whisper.missing():
        return None

    def transcribe(path: str) -> str:
        wave = io.read(path, _WHISPER_RATE).numpy()
        segments, _ = whisper.model.transcribe(wave, language="en", beam_size=1)
        return " ".join(segment.text.strip() for segment in segments)[:MAX_TEXT]

    return transcribe


def clone(
    cloner: Cloner,
    clips: Sequence[Clip],
    transcripts: Sequence[str],
    method: str,
    agreed: bool,
    consent: str,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Voice, list[str]]:
    """Clone a voice; returns it with warnings, such as of a transcript that does not match its clip.

    `progress` is called with the number of steps done and of all steps of adaptation.

    Raises:
        ValueError: without consent, for no clips or too many, and whatever `Cloner.clone` raises; messages name a clip
            by the name of its file.
    """
    if not agreed:
        raise ValueError("Consent is missing: tick the box if the speaker has agreed to this clone")
    if not consent.strip():
        raise ValueError("The statement of consent is empty: write who agreed, when, and to what")
    if len(consent) > MAX_CONSENT:
        raise ValueError(f"The statement of consent has {len(consent)} characters: write {MAX_CONSENT} or fewer")
    check_count(len(clips))
    if len(transcripts) != len(clips):
        raise ValueError("The list of clips has just changed: clone again")
    trains = method != "encoder"
    for clip, text in zip(clips, transcripts, strict=True):
        if trains and not text.strip():
            raise ValueError(f"{clip.name} has no transcript: method {method} needs what is said in each clip")
        if len(text) > MAX_TEXT:
            raise ValueError(f"The transcript of {clip.name} has {len(text)} characters, the limit is {MAX_TEXT}")
    with collected_warnings() as warnings:
        try:
            paths = [clip.path for clip in clips]
            texts = list(transcripts) if trains else None
            voice = cloner.clone(paths, method, texts, consent=consent.strip(), progress=progress or False)
        except (OSError, ValueError) as error:
            raise ValueError(_named(str(error), clips)) from error
    new = [text for text in warnings if not any(_about(text, clip.path) in clip.warnings for clip in clips)]
    return voice, [_named(text, clips) for text in new]


def _named(message: str, clips: Sequence[Clip]) -> str:
    """A message with the names of clips instead of their paths."""
    for clip in clips:
        message = message.replace(clip.path, clip.name)
    return message


def speak(cloner: Cloner, voice: Voice, text: str, folder: str) -> Take:
    """Speak a text; sound and picture are in a new folder inside of `folder`.

    Raises ValueError for a text that is too long, and whatever `Cloner.say` raises.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f"The text has {len(text)} characters: speak {MAX_TEXT} or fewer at once")
    with collected_warnings() as warnings:
        speech = cloner.say(text, voice)
    place = Path(tempfile.mkdtemp(dir=folder))
    take = Take(place / f"{plain(voice.method)}.wav", place / "plot.png", (*dict.fromkeys(warnings), *speech.problems))
    io.write(take.sound, speech.wave, speech.sample_rate)
    save_figure(draw_speech(speech, cloner.tts.spectrograms.hop), take.plot)
    return take


def voice_file(voice: Voice, folder: str) -> Path:
    """Write a voice to a file in a new folder inside of `folder`."""
    path = Path(tempfile.mkdtemp(dir=folder), f"{plain(voice.method)}.safetensors")
    voice.save(path)
    return path


def plain(method: str) -> str:
    """The method of a voice as the name of a file; that of a voice file from others may be any text."""
    return re.sub(r"\W", "_", method)[:40] or "voice"
