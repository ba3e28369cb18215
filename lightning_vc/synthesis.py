"""Text to sound: cut into stretches, each synthesised, checked, synthesised again if it failed, and joined."""

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
from lightning_vc.audio.post_filter import PostFilter
from lightning_vc.audio.vocoder import Vocoder
from lightning_vc.console import print_warning
from lightning_vc.metrics import alignment_problems
from lightning_vc.modules.acoustic import check_finite
from lightning_vc.modules.attention import Attention
from lightning_vc.modules.tts import TTSModel
from lightning_vc.text.split import Segment, segments
from lightning_vc.text.symbols import PUNCTUATION, SYMBOLS
from lightning_vc.types import Spectra, Speech

LONGEST_TEXT = 20_000  # characters of a text: twenty minutes, and 0.5 GB of sound and spectrograms
_SHOWN = 200  # letters of a sentence that a problem names
_BATCH_SIZE = 32  # stretches that are synthesised at once: more would only cost memory
# What a stretch may become. Speech has 14 symbols a second, and training takes none below 2; a model file that somebody
# sends could make hours of one. Numbers are those of its widest layer: 32 of the largest stretches of the model of the
# package fit into a batch, whose layers take some 2 GB then.
_SLOWEST, _PAUSE, _LONGEST = 0.3, 2.0, 60.0  # seconds of a symbol, beside all symbols, and of a stretch
_STRETCH_NUMBERS, _BATCH_NUMBERS = 1 << 25, 1 << 27
_KEPT, _KEPT_OF_SYMBOL = 1 << 27, 1 << 15  # numbers of spectrograms and sound; speech at 48 kHz has 15,000 of a symbol


def check_length(text: str) -> None:
    """Raise ValueError for a text that is too long to be kept in memory as one sound."""
    if len(text) > LONGEST_TEXT:
        raise ValueError(
            f"a text of {len(text):,} characters is too long to be spoken at once, the limit is {LONGEST_TEXT:,}: "
            "stream it (synthesize --stream), or make it several texts"
        )


@dataclass(frozen=True)
class _Attempt:
    """The spectrograms of a stretch, and what seems to be wrong with them."""

    spectra: Spectra  # (1, T, M), (1, T, F)
    alignment: Tensor  # (A, S, L)
    symbols: tuple[str, ...]
    finished: bool
    problems: tuple[str, ...]


class Synthesizer:
    """Speech of one speaker embedding.

    Args:
        tts: the model, as it was trained or adapted.
        embedding: the speaker embedding, (E,).
        vocoder: Griffin-Lim if none is given.
        adapted: whether to use the post-filter for an adapted model.
    """

    def __init__(self, tts: TTSModel, embedding: Tensor, vocoder: Vocoder | None = None, adapted: bool = False) -> None:
        self.tts, self.embedding, self.vocoder = tts, embedding, vocoder or tts.griffin_lim().to(embedding.device)
        settings = tts if self.vocoder.post_filter is None else self.vocoder
        found = settings.adapted_post_filter if adapted else settings.post_filter
        self.post_filter = found or PostFilter()
        self.sample_rate = tts.spectrograms.sample_rate
        weights = (*tts.model.parameters(), *self.vocoder.parameters())
        self.width = max((size for weight in weights for size in weight.shape), default=1)  # of the widest layer
        self.maps = max(1, sum(isinstance(part, Attention) for part in tts.model.modules()))  # of attention

    @torch.no_grad()
    def speak(self, texts: Sequence[str]) -> list[Speech]:
        """Synthesise texts. Peaks stay 1 dB below full scale: a louder text is scaled down as a whole.

        Raises ValueError for a text without words, naming it, and for one of more than `LONGEST_TEXT` characters.
        """
        for text in texts:
            check_length(text)
        cut = [list(self._cut(text)) for text in texts]
        segments = [stretch for parts in cut for stretch in parts]
        speeches = (
            self._speech(stretch, made, torch.cat([self._wave(made), self._pause(stretch)]))
            for stretch, made in zip(segments, self._spectra(segments), strict=True)
        )
        return [_joined(text, [next(speeches) for _ in parts]) for text, parts in zip(texts, cut, strict=True)]

    def stream(self, text: str) -> Iterator[Speech]:
        """Synthesise one text, a stretch at a time and each in the pieces that the vocoder makes of it.

        While one is consumed, the next is being made. Joined, the waves are those of `speak`, but for rounding, and for
        peaks above -3 dB of full scale: a soft limiter keeps them 1 dB below full scale, as the level of the rest is
        not known. Everything else about a stretch comes with its first piece.
        """
        pieces = self._pieces(text)
        with ThreadPoolExecutor(1) as aside:
            coming = aside.submit(next, pieces, None)
            while speech := coming.result():
                coming = aside.submit(next, pieces, None)
                yield speech

    @torch.no_grad()
    def _pieces(self, text: str) -> Iterator[Speech]:
        for stretch in self._cut(text):
            (made,) = self._spectra([stretch])
            pieces = self.vocoder.stream(made.spectra, self.post_filter)
            waves = (limit_to_headroom(wave[0].cpu()) for wave in pieces)
            speech = self._speech(stretch, made, next(waves))
            for wave in waves:
                yield speech
                speech = _rest(speech, wave)
            yield replace(speech, wave=torch.cat([speech.wave, self._pause(stretch)]))

    def _cut(self, text: str) -> Iterator[Segment]:
        """A text as stretches that are no longer than the texts of training."""
        symbols, longest = self.tts.frontend.symbols, min(self.tts.longest, _STRETCH_NUMBERS // self.width)
        return segments(text, max(longest, 1), lambda word: len(symbols([word])) + (word.text not in PUNCTUATION))

    def _spectra(self, parts: Sequence[Segment]) -> list[_Attempt]:
        """Synthesise stretches, those that failed a second time by the strict window, and keep the better."""
        made = self._attempts(parts)
        failed = [i for i, attempt in enumerate(made) if attempt.problems]
        for i, attempt in zip(failed, self._attempts([parts[i] for i in failed], strict=True), strict=True):
            made[i] = min(made[i], attempt, key=lambda each: len(each.problems))
        return made

    def _attempts(self, parts: Sequence[Segment], strict: bool = False) -> list[_Attempt]:
        """Synthesise stretches; raises ValueError where they become far more than speech."""
        texts = [torch.tensor(self.tts.frontend(part.words), device=self.embedding.device) for part in parts]
        model, spectrograms = self.tts.model, self.tts.spectrograms
        step = model.reduction * spectrograms.hop / spectrograms.sample_rate  # seconds
        left = _KEPT + _KEPT_OF_SYMBOL * sum(map(len, texts))
        attempts: dict[int, _Attempt] = {}
        for group in self._groups(texts):
            text = pad_sequence([texts[i] for i in group], batch_first=True)
            output = model.synthesize(text, self.embedding.expand(len(group), -1), strict, self._most(text.shape[1]))
            check_finite(*output.spectra)
            for row, i in enumerate(group):
                frames, symbols = int(output.frames[row]), tuple(SYMBOLS[number] for number in texts[i])
                spectra = Spectra(*(spectrum[row : row + 1, :frames].clone() for spectrum in output.spectra))
                alignment = output.alignments[row, :, : frames // model.reduction, : len(symbols)].cpu().clone()
                left -= sum(each.numel() for each in (*spectra, alignment)) + frames * spectrograms.hop
                if left < 0:
                    raise ValueError(
                        f"the model makes far more sound than speech has, at {shorten(parts[i].text, _SHOWN)!r}: "
                        "take another model or vocoder, or stream the text (synthesize --stream)"
                    )
                finished = bool(output.finished[row])
                problems = alignment_problems(alignment, symbols, step, finished)
                attempts[i] = _Attempt(spectra, alignment, symbols, finished, problems)
        return [attempts[i] for i in range(len(texts))]

    def _groups(self, texts: Sequence[Tensor]) -> Iterator[list[int]]:
        """Which texts are synthesised at once: those of like length, for less padding, and few where they are large."""
        group: list[int] = []
        for i in sorted(range(len(texts)), key=lambda i: len(texts[i])):
            numbers = self._most(len(texts[i])) * self._numbers(len(texts[i]))
            if group and (len(group) == _BATCH_SIZE or (len(group) + 1) * numbers > _BATCH_NUMBERS):
                yield group
                group = []
            group.append(i)
        if group:
            yield group

    def _most(self, symbols: int) -> int:
        """Frames after which a stretch of so many symbols is cut off."""
        seconds = min(_PAUSE + _SLOWEST * symbols, _LONGEST)
        frames = int(seconds * self.sample_rate / self.tts.spectrograms.hop)
        return max(min(frames, _STRETCH_NUMBERS // self._numbers(symbols)), self.tts.model.reduction)

    def _numbers(self, symbols: int) -> int:
        """Numbers of a frame in the widest layer, of which the weights of attention are one."""
        return max(self.width, self.maps * symbols)

    def _wave(self, made: _Attempt) -> Tensor:
        """(W,)."""
        wave: Tensor = self.vocoder(made.spectra, self.post_filter)[0].cpu()
        return wave

    def _pause(self, part: Segment) -> Tensor:
        return torch.zeros(round(part.pause * self.sample_rate))

    def _speech(self, part: Segment, made: _Attempt, wave: Tensor) -> Speech:
        _check_wave(wave)
        return Speech(
            wave=wave,
            sample_rate=self.sample_rate,
            text=part.text,
            spectra=Spectra(*(spectrum.cpu() for spectrum in made.spectra)),
            alignments=(made.alignment,),
            symbols=made.symbols,
            finished=made.finished,
            problems=tuple(f"{problem}: {shorten(part.text, _SHOWN)}" for problem in made.problems),
        )


def _check_wave(wave: Tensor) -> None:
    if not wave.isfinite().all():
        raise ValueError("the vocoder makes sound of NaN or infinite numbers: train another, or use griffin_lim")


def _rest(speech: Speech, wave: Tensor) -> Speech:
    """A further piece of a stretch: its wave, and nothing that came with the first piece."""
    _check_wave(wave)
    nothing = Spectra(*(spectrum[:, :0] for spectrum in speech.spectra))
    return replace(speech, wave=wave, text="", spectra=nothing, alignments=(), symbols=(), problems=())


def _joined(text: str, parts: Sequence[Speech]) -> Speech:
    """Consecutive stretches as one."""
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
