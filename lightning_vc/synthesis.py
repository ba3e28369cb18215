"""Text to speech: split into segments, synthesise each, repeat those that failed, and concatenate."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lightning_vc import console
from lightning_vc.audio.loudness import limit_to_headroom, scale_to_headroom
from lightning_vc.audio.post_filter import PostFilter
from lightning_vc.audio.vocoder import Vocoder
from lightning_vc.metrics import alignment_problems
from lightning_vc.modules.acoustic import check_finite, check_speed
from lightning_vc.modules.attention import Attention
from lightning_vc.modules.tts import TTSModel
from lightning_vc.speech import Speech
from lightning_vc.text.split import Segment, segments
from lightning_vc.text.symbols import PUNCTUATION, SYMBOLS
from lightning_vc.types import Spectra

LONGEST_TEXT = 20_000  # characters of a text: twenty minutes, and 0.5 GB of audio and spectrograms
_SHOWN = 200  # characters of a sentence that a problem quotes
_BATCH_SIZE = 32  # segments that are synthesised at once; more would only need more memory
# Limits of the output, as an untrusted model file could generate hours of audio. Speech has 14 symbols per second, and
# training data at least 2. Values are counted in the widest layer: 32 of the longest segments of the shipped model fit
# into a batch, whose layers then need about 2 GB.
_SYMBOL_SECONDS, _EXTRA_SECONDS, _SEGMENT_SECONDS = 0.3, 2.0, 60.0  # per symbol, in addition, and in all per segment
_SEGMENT_VALUES, _BATCH_VALUES = 1 << 25, 1 << 27
_OUTPUT_VALUES, _OUTPUT_VALUES_PER_SYMBOL = 1 << 27, 1 << 15  # spectrograms and audio; speech at 48 kHz has 15,000


def check_length(text: str) -> None:
    """Raise ValueError for a text whose audio would not fit into memory."""
    if len(text) > LONGEST_TEXT:
        raise ValueError(
            f"a text of {len(text):,} characters is too long to be spoken at once, the limit is {LONGEST_TEXT:,}: "
            "stream it (synthesize --stream), or make it several texts"
        )


@dataclass(frozen=True)
class _Attempt:
    """The spectrograms of a segment, and problems found in their alignment."""

    spectra: Spectra  # (1, T, M), (1, T, F)
    alignment: Tensor  # (A, S, L)
    symbols: tuple[str, ...]
    finished: bool
    problems: tuple[str, ...]


class Synthesizer:
    """Speech synthesis with one speaker embedding, on the device of the model; its results are on the CPU.

    Args:
        tts: the model, as trained or adapted.
        embedding: the speaker embedding, (E,).
        vocoder: by default Griffin-Lim.
        adapted: whether to use the post-filter for an adapted model.
        speed: durations are divided by it; raises ValueError for one out of bounds or that the model cannot change.
    """

    def __init__(
        self,
        tts: TTSModel,
        embedding: Tensor,
        vocoder: Vocoder | None = None,
        adapted: bool = False,
        speed: float = 1.0,
    ) -> None:
        check_speed(speed, tts.model)
        weight = next(tts.model.parameters(), tts.table.weight)
        self.tts, self.embedding, self.speed = tts, embedding.to(weight.device, weight.dtype), speed
        self.vocoder = vocoder or tts.griffin_lim()
        settings = tts if self.vocoder.post_filter is None else self.vocoder
        post_filter = settings.adapted_post_filter if adapted else settings.post_filter
        self.post_filter = post_filter or PostFilter()
        self.sample_rate = tts.spectrograms.sample_rate
        weights = (*tts.model.parameters(), *self.vocoder.parameters())
        self.width = max((size for weight in weights for size in weight.shape), default=1)  # of the widest layer
        self.maps = max(1, sum(isinstance(part, Attention) for part in tts.model.modules()))  # attention layers

    @torch.no_grad()
    def speak(self, texts: Sequence[str]) -> list[Speech]:
        """Synthesise texts. Peaks stay 1 dB below full scale: a louder text is scaled down as a whole.

        Raises ValueError for a text without words, quoting it, and for more than `LONGEST_TEXT` characters.
        """
        for text in texts:
            check_length(text)
        groups = [list(self._segments(text)) for text in texts]
        segments = [segment for parts in groups for segment in parts]
        speeches = (
            self._speech(segment, attempt, torch.cat([self._wave(attempt), self._pause(segment)]))
            for segment, attempt in zip(segments, self._spectra(segments), strict=True)
        )
        return [_joined(text, [next(speeches) for _ in parts]) for text, parts in zip(texts, groups, strict=True)]

    def stream(self, text: str) -> Iterator[Speech]:
        """Synthesise one text segment by segment, and each segment in the pieces that the vocoder yields.

        A thread synthesises the next piece while the caller consumes one. Concatenated, the waves are those of `speak`,
        except for rounding and peaks above -3 dB of full scale, which a soft limiter keeps 1 dB below full scale. The
        first piece of a segment carries all its other fields.
        """
        pieces = self._pieces(text)
        with ThreadPoolExecutor(1) as executor:
            future = executor.submit(next, pieces, None)
            while speech := future.result():
                future = executor.submit(next, pieces, None)
                yield speech

    @torch.no_grad()
    def _pieces(self, text: str) -> Iterator[Speech]:
        for segment in self._segments(text):
            (attempt,) = self._spectra([segment])
            pieces = self.vocoder.stream(attempt.spectra, self.post_filter)
            waves = (limit_to_headroom(wave[0].cpu()) for wave in pieces)
            speech = self._speech(segment, attempt, next(waves))
            for wave in waves:
                yield speech
                speech = _rest(speech, wave)
            yield replace(speech, wave=torch.cat([speech.wave, self._pause(segment)]))

    def _segments(self, text: str) -> Iterator[Segment]:
        """Split a text into segments that are no longer than the texts of training."""
        symbols, longest = self.tts.frontend.symbols, min(self.tts.max_symbols, _SEGMENT_VALUES // self.width)
        return segments(text, max(longest, 1), lambda word: len(symbols([word])) + (word.text not in PUNCTUATION))

    def _spectra(self, parts: Sequence[Segment]) -> list[_Attempt]:
        """Synthesise segments, repeat those with problems by the strict window, and keep the better attempt."""
        attempts = self._attempts(parts)
        failed = [i for i, attempt in enumerate(attempts) if attempt.problems]
        for i, second in zip(failed, self._attempts([parts[i] for i in failed], strict=True), strict=True):
            attempts[i] = min(attempts[i], second, key=lambda attempt: len(attempt.problems))
        return attempts

    def _attempts(self, parts: Sequence[Segment], strict: bool = False) -> list[_Attempt]:
        """Synthesise segments; raises ValueError if the output is far larger than speech of these texts."""
        texts = [torch.tensor(self.tts.frontend(part.words)) for part in parts]
        model, spectrograms = self.tts.model, self.tts.spectrograms
        step = self.speed * model.reduction * spectrograms.hop / spectrograms.sample_rate  # seconds at normal speed
        budget = _OUTPUT_VALUES + _OUTPUT_VALUES_PER_SYMBOL * sum(map(len, texts))
        attempts: dict[int, _Attempt] = {}
        for group in self._groups(texts):
            text = pad_sequence([texts[i] for i in group], batch_first=True).to(self.embedding.device)
            speaker, max_frames = self.embedding.expand(len(group), -1), self._max_frames(text.shape[1])
            speed = {} if self.speed == 1 else {"speed": self.speed}  # only models that have it take it
            output = model.synthesize(text, speaker, strict, max_frames, **speed)
            check_finite(*output.spectra)
            for row, i in enumerate(group):
                frames, symbols = int(output.frames[row]), tuple(SYMBOLS[number] for number in texts[i])
                spectra = Spectra(*(spectrum[row : row + 1, :frames].clone() for spectrum in output.spectra))
                alignment = output.alignments[row, :, : frames // model.reduction, : len(symbols)].cpu().clone()
                budget -= sum(tensor.numel() for tensor in (*spectra, alignment)) + frames * spectrograms.hop
                if budget < 0:
                    raise ValueError(
                        f"the model generates far too much audio for {shorten(parts[i].text, _SHOWN)!r}: "
                        "take another model or vocoder, or stream the text (synthesize --stream)"
                    )
                finished = bool(output.finished[row])
                problems = alignment_problems(alignment, symbols, step, finished)
                attempts[i] = _Attempt(spectra, alignment, symbols, finished, problems)
        return [attempts[i] for i in range(len(texts))]

    def _groups(self, texts: Sequence[Tensor]) -> Iterator[list[int]]:
        """Group texts into batches of similar lengths, to reduce padding, and of bounded memory."""
        group: list[int] = []
        for i in sorted(range(len(texts)), key=lambda i: len(texts[i])):
            values = self._max_frames(len(texts[i])) * self._values_per_frame(len(texts[i]))
            if group and (len(group) == _BATCH_SIZE or (len(group) + 1) * values > _BATCH_VALUES):
                yield group
                group = []
            group.append(i)
        if group:
            yield group

    def _max_frames(self, symbols: int) -> int:
        """Number of frames after which a segment of so many symbols is cut off."""
        seconds = min(_EXTRA_SECONDS + _SYMBOL_SECONDS * symbols, _SEGMENT_SECONDS)
        frames = int(seconds * self.sample_rate / self.tts.spectrograms.hop)
        return max(min(frames, _SEGMENT_VALUES // self._values_per_frame(symbols)), self.tts.model.reduction)

    def _values_per_frame(self, symbols: int) -> int:
        """Values per frame in the widest layer or in the attention weights, whichever are more."""
        return max(self.width, self.maps * symbols)

    def _wave(self, attempt: _Attempt) -> Tensor:
        """(W,)."""
        wave: Tensor = self.vocoder(attempt.spectra, self.post_filter)[0].cpu()
        return wave

    def _pause(self, part: Segment) -> Tensor:
        return torch.zeros(round(part.pause / self.speed * self.sample_rate))

    def _speech(self, part: Segment, attempt: _Attempt, wave: Tensor) -> Speech:
        _check_wave(wave)
        return Speech(
            wave=wave,
            sample_rate=self.sample_rate,
            text=part.text,
            spectra=Spectra(*(spectrum.cpu() for spectrum in attempt.spectra)),
            alignments=(attempt.alignment,),
            symbols=attempt.symbols,
            finished=attempt.finished,
            problems=tuple(f"{problem}: {shorten(part.text, _SHOWN)}" for problem in attempt.problems),
        )


def _check_wave(wave: Tensor) -> None:
    if not wave.isfinite().all():
        raise ValueError("the vocoder makes sound of NaN or infinite numbers: train another, or use griffin_lim")


def _rest(speech: Speech, wave: Tensor) -> Speech:
    """Return a later piece of a segment: its wave, with all fields empty that the first piece carries."""
    _check_wave(wave)
    empty = Spectra(*(spectrum[:, :0] for spectrum in speech.spectra))
    return replace(speech, wave=wave, text="", spectra=empty, alignments=(), symbols=(), problems=())


def _joined(text: str, parts: Sequence[Speech]) -> Speech:
    """Concatenate consecutive segments."""
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
    """Write a sound file, and warn of problems of the synthesis."""
    speech.save(path)
    warn(speech, f"{path}: ")


def warn(speech: Speech, where: str = "") -> None:
    """Warn of problems of the synthesis."""
    for problem in speech.problems:
        console.warn(f"{where}{problem}")
