"""A corpus made by espeak-ng: synthetic speakers of known sex and accent, and as many sentences as one likes."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from lightning_vc.audio.io import resample
from lightning_vc.corpora.base import Corpus
from lightning_vc.corpora.espeak import synthesize, voice_lines
from lightning_vc.corpora.sentences import sentence
from lightning_vc.types import Speaker, Utterance

# Accent -> espeak-ng's file of it.
ACCENTS = {
    "en-us": "lang/gmw/en-US",
    "en-gb": "lang/gmw/en",
    "en-gb-x-rp": "lang/gmw/en-GB-x-rp",
    "en-gb-scotland": "lang/gmw/en-GB-scotland",
    "en-gb-x-gbclan": "lang/gmw/en-GB-x-gbclan",
}
# espeak-ng's variant -> the factor by which it shifts the formants. These are the ones that differ clearly from each
# other and that a recogniser understands, low and high; it hears many of the rest far worse, some never.
VARIANTS = {
    **{"adam": 1.0, "edward": 1.0, "klatt": 1.0, "klatt3": 1.0, "klatt4": 1.0, "michel": 1.0, "victor": 0.95},
    **{"f1": 1.12, "f2": 1.1, "f3": 1.2},
}
_TRACTS = {"F": (1.05, 1.19), "M": (0.9, 1.05)}  # formants relative to espeak-ng's own man
_RINGS = (0.92, 1.08)  # formants from the third on, which make no vowel, once more
_PITCHES = {"F": (165.0, 255.0), "M": (80.0, 140.0)}  # hertz
_SWINGS = (0.12, 0.24)  # how far the pitch goes up and down, relative to itself
_RATES = (155, 190)  # words a minute
_PEAK = 0.7


@dataclass(frozen=True)
class GeneratedVoice:
    """A generated speaker and what makes them sound like nobody else."""

    speaker: Speaker
    variant: str
    tract: float  # formants relative to espeak-ng's own man
    ring: float  # formants from the third on, relative to the tract's
    pitch: float  # hertz
    swing: float
    rate: int  # words a minute

    @cached_property
    def file(self) -> str:
        """The speaker as a voice file of espeak-ng: their accent, then the variant with other formants and pitch."""
        low = self.tract / VARIANTS[self.variant]
        shift = [low] * 3 + [low * self.ring] * 6
        lines = voice_lines(ACCENTS[self.speaker.accent or ""])
        lines += [f"formant {peak} {shift[peak] * 100:.0f} 100 100" for peak in range(9)]  # unless the variant says it
        for line in voice_lines(f"voices/!v/{self.variant}"):
            match line.split():
                case ["formant", peak, frequency, *rest]:
                    lines.append(" ".join(["formant", peak, f"{shift[int(peak)] * float(frequency):.0f}", *rest]))
                case ["pitch" | "echo", *_]:  # an echo is of a room and makes everyone in it alike
                    pass
                case _:
                    lines.append(line)
        lines.append(f"pitch {self.pitch * (1 - self.swing):.0f} {self.pitch * (1 + self.swing):.0f}")
        return "\n".join(lines) + "\n"


class GeneratedCorpus(Corpus):
    """Speakers made from espeak-ng's variants and accents, vocal tract, pitch and rate; every other one is a woman.

    Speakers and sentences are drawn by `seed`, each for itself: more speakers or utterances leave the others as they
    are.
    """

    def __init__(self, n_speakers: int = 96, utterances: int = 30, seed: int = 0) -> None:
        for name, value in (("n_speakers", n_speakers), ("utterances", utterances)):
            if value < 1:
                raise ValueError(f"{name} is {value}: give 1 or more")
        self.utterances = utterances
        self.seed = seed
        self.voices = {voice.speaker.id: voice for voice in (_voice(number, seed) for number in range(n_speakers))}

    def __iter__(self) -> Iterator[Utterance]:
        """Every utterance, speaker by speaker; none has a file."""
        for name, voice in self.voices.items():
            for number in range(self.utterances):
                text = sentence(random.Random(f"{self.seed} {name} {number}"))
                yield Utterance(f"{name}-{number:03d}", voice.speaker, text)

    def read(self, utterance: Utterance, sample_rate: int) -> Tensor:
        """Synthesise an utterance: (W,) float32."""
        if utterance.text is None:
            raise ValueError(f"utterance {utterance.id} has no text to synthesise")
        return self.say(utterance.speaker.id, utterance.text, sample_rate)

    def say(self, speaker: str, text: str, sample_rate: int) -> Tensor:
        """Any sentence by one of the speakers, just as the corpus would hold it: (W,) float32."""
        if speaker not in self.voices:
            raise ValueError(f"no generated speaker {speaker!r}: there are {', '.join(self.voices)}")
        voice = self.voices[speaker]
        wave, rate = synthesize(text, voice.file, voice.rate)
        return resample(wave * (_PEAK / wave.abs().max()), rate, sample_rate)


def _voice(number: int, seed: int) -> GeneratedVoice:
    """One speaker; those of one sex take turns at the variants, those of one sex and variant at the accents.

    Tract, pitch and ring are multiples, modulo 1, of steps whose first multiples lie far from each other (golden ratios
    of the plane and the line), so that no two of the few speakers of one variant come close.
    """
    sex, turn = "FM"[number % 2], number // 2
    at = turn % len(VARIANTS)
    turn //= len(VARIANTS)
    common = random.Random(f"{seed} {sex} {at}")
    long, high, clear = ((common.random() + turn * step) % 1 for step in (0.755, 0.570, 0.618))
    accents = common.sample(list(ACCENTS), len(ACCENTS))
    own = random.Random(f"{seed} {sex} {number}")
    (short, wide), (low, top) = _TRACTS[sex], _PITCHES[sex]
    return GeneratedVoice(
        speaker=Speaker(f"{sex.lower()}{number // 2:03d}", sex, accents[turn % len(accents)]),
        variant=list(VARIANTS)[at],
        tract=short * (wide / short) ** long,
        ring=_RINGS[0] + (_RINGS[1] - _RINGS[0]) * clear,
        pitch=low * (top / low) ** high,
        swing=own.uniform(*_SWINGS),
        rate=own.randint(*_RATES),
    )
