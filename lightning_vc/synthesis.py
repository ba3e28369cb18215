"""Text to sound: cut into stretches, each said, looked at, said again where that went wrong, and joined."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lightning_vc.audio import io
from lightning_vc.audio.loudness import limit_to_headroom, scale_to_headroom
from lightning_vc.audio.vocoder import Vocoder
from lightning_vc.console import print_warning
from lightning_vc.metrics import alignment_problems
from lightning_vc.modules.acoustic import AcousticModel, check_finite
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.text.split import Stretch, stretches
from lightning_vc.text.symbols import PUNCTUATION, SYMBOLS
from lightning_vc.types import Spectra, Speech

LONGEST_TEXT = 20_000  # characters that `speak` says: twenty minutes, and 0.5 GB of sound and spectrograms
_SHOWN = 200  # letters of a sentence that a problem names
_TOGETHER = 32  # stretches that are said at once: more would only cost memory


def speak(
    model: AcousticModel, tts: TTSTask, texts: Sequence[str], vector: Tensor, vocoder: Vocoder | None = None
) -> list[Speech]:
    """Let a model trained by `tts` (its own, or one adapted from it) say texts in the voice of a vector (E,).

    Its peaks stay 1 dB below full scale: a text that would be louder is scaled down as a whole.
    Raises ValueError for a text without words, naming it, and for one of more than `LONGEST_TEXT` characters.
    """
    for text in texts:
        check_length(text)
    cut = [list(_cut(tts, text)) for text in texts]
    said = iter(_say(model, tts, [stretch for parts in cut for stretch in parts], vector, vocoder))
    return [_joined(text, [next(said) for _ in parts]) for text, parts in zip(texts, cut, strict=True)]


def check_length(text: str) -> None:
    """Raise ValueError for a text that is too long to be kept in memory as one sound."""
    if len(text) > LONGEST_TEXT:
        raise ValueError(
            f"a text of {len(text):,} characters is too long to be spoken at once, the limit is {LONGEST_TEXT:,}: "
            "stream it (synthesize --stream), or make it several texts"
        )


def stream(
    model: AcousticModel, tts: TTSTask, text: str, vector: Tensor, vocoder: Vocoder | None = None
) -> Iterator[Speech]:
    """The same for one text, a stretch at a time and each in the pieces that a vocoder makes of it.

    While one is listened to, the next is being made. Joined, the waves are that of `speak`, but for what a vocoder
    makes of rounding, and for peaks above -3 dB of full scale: a soft limiter keeps them 1 dB below full scale, as how
    loud the rest will be is not known. Everything else about a stretch comes with its first piece.
    """
    pieces = _pieces(model, tts, _cut(tts, text), vector, vocoder or _default(tts, vector))
    with ThreadPoolExecutor(1) as aside:
        coming = aside.submit(next, pieces, None)
        while speech := coming.result():
            coming = aside.submit(next, pieces, None)
            yield speech


@torch.no_grad()
def _pieces(
    model: AcousticModel, tts: TTSTask, parts: Iterator[Stretch], vector: Tensor, vocoder: Vocoder
) -> Iterator[Speech]:
    """What `stream` yields."""
    for part in parts:
        (read,) = _read(model, tts, [part], vector)
        waves = (limit_to_headroom(wave[0].cpu()) for wave in vocoder.stream(read.spectra))
        speech = _speech(tts, part, read, next(waves))
        for wave in waves:
            yield speech
            speech = _rest(speech, wave)
        yield replace(speech, wave=torch.cat([speech.wave, _pause(tts, part)]))


def _rest(speech: Speech, wave: Tensor) -> Speech:
    """A further piece of a stretch: its wave, and nothing that its first piece has said."""
    _check_sound(wave)
    nothing = Spectra(*(spectrum[:, :0] for spectrum in speech.spectra))
    return replace(speech, wave=wave, text="", spectra=nothing, alignments=(), symbols=(), problems=())


def _check_sound(wave: Tensor) -> None:
    if not wave.isfinite().all():
        raise ValueError("the vocoder makes sound of NaN or infinite numbers: train another, or use griffin_lim")


def _cut(tts: TTSTask, text: str) -> Iterator[Stretch]:
    """A text as stretches that are no longer than what the model has learnt from."""
    return stretches(text, tts.longest, lambda word: len(tts.frontend.symbols([word])) + (word.text not in PUNCTUATION))


@torch.no_grad()
def _say(
    model: AcousticModel, tts: TTSTask, parts: Sequence[Stretch], vector: Tensor, vocoder: Vocoder | None
) -> list[Speech]:
    """Say stretches."""
    vocoder = vocoder or _default(tts, vector)
    return [
        _speech(tts, part, read, torch.cat([vocoder(read.spectra)[0].cpu(), _pause(tts, part)]))
        for part, read in zip(parts, _read(model, tts, parts, vector), strict=True)
    ]


def _default(tts: TTSTask, vector: Tensor) -> Vocoder:
    return tts.griffin_lim().to(vector.device)


@torch.no_grad()
def _read(model: AcousticModel, tts: TTSTask, parts: Sequence[Stretch], vector: Tensor) -> "list[_Tried]":
    """Read stretches, those that went wrong a second time, and keep the better."""
    spelt = [torch.tensor(tts.frontend(part.words), device=vector.device) for part in parts]
    read = _tried(model, tts, spelt, vector)
    again = [i for i, each in enumerate(read) if each.problems]
    second = _tried(model, tts, [spelt[i] for i in again], vector, careful=True)
    for i, each in zip(again, second, strict=True):
        read[i] = min(read[i], each, key=lambda tried: len(tried.problems))
    return read


def _pause(tts: TTSTask, part: Stretch) -> Tensor:
    return torch.zeros(round(part.pause * tts.spectrograms.sample_rate))


def _speech(tts: TTSTask, part: Stretch, read: "_Tried", wave: Tensor) -> Speech:
    _check_sound(wave)
    return Speech(
        wave=wave,
        sample_rate=tts.spectrograms.sample_rate,
        text=part.text,
        spectra=Spectra(*(spectrum.cpu() for spectrum in read.spectra)),
        alignments=(read.alignment,),
        symbols=read.symbols,
        finished=read.finished,
        problems=tuple(f"{problem}: {shorten(part.text, _SHOWN)}" for problem in read.problems),
    )


@dataclass(frozen=True)
class _Tried:
    """What a model made of a stretch, before it can be heard."""

    spectra: Spectra  # (1, T, M), (1, T, F)
    alignment: Tensor  # (A, S, L)
    symbols: tuple[str, ...]
    finished: bool
    problems: tuple[str, ...]


def _tried(
    model: AcousticModel, tts: TTSTask, spelt: Sequence[Tensor], vector: Tensor, careful: bool = False
) -> list[_Tried]:
    """Say texts of numbered symbols, those of like length together: less padding."""
    order = sorted(range(len(spelt)), key=lambda i: len(spelt[i]))
    step = model.reduction * tts.spectrograms.hop / tts.spectrograms.sample_rate  # seconds
    said: dict[int, _Tried] = {}
    for group in (order[start : start + _TOGETHER] for start in range(0, len(order), _TOGETHER)):
        text = pad_sequence([spelt[i] for i in group], batch_first=True)
        made = model.synthesize(text, vector.expand(len(group), -1), careful)
        check_finite(*made.spectra)
        for row, i in enumerate(group):
            frames, symbols = int(made.frames[row]), tuple(SYMBOLS[number] for number in spelt[i])
            spectra = Spectra(*(spectrum[row : row + 1, :frames] for spectrum in made.spectra))
            alignment = made.alignments[row, :, : frames // model.reduction, : len(symbols)].cpu()
            finished = bool(made.finished[row])
            problems = alignment_problems(alignment, symbols, step, finished)
            said[i] = _Tried(spectra, alignment, symbols, finished, problems)
    return [said[i] for i in range(len(spelt))]


def _joined(text: str, parts: Sequence[Speech]) -> Speech:
    """What was said one after the other as one."""
    return Speech(
        wave=scale_to_headroom(torch.cat([part.wave for part in parts])),
        sample_rate=parts[0].sample_rate,
        text=text,
        spectra=Spectra(*(torch.cat(spectra, 1) for spectra in zip(*(part.spectra for part in parts), strict=True))),
        alignments=tuple(alignment for part in parts for alignment in part.alignments),
        symbols=tuple(symbol for part in parts for symbol in part.symbols),
        finished=all(part.finished for part in parts),
        problems=tuple(problem for part in parts for problem in part.problems),
    )


def write_speech(path: str | Path, speech: Speech) -> None:
    """Write a sound file, and say on stderr what seems to have gone wrong in it."""
    io.write(path, speech.wave, speech.sample_rate)
    warn(speech, f"{path}: ")


def warn(speech: Speech, where: str = "") -> None:
    """Say on stderr what seems to have gone wrong."""
    for problem in speech.problems:
        print_warning(f"{where}{problem}")
