"""A corpus synthesised by espeak-ng: speakers of known sex and accent, and any number of sentences."""

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

# Accent -> voice file of espeak-ng.
ACCENTS = {
    "en-us": "lang/gmw/en-US",
    "en-gb": "lang/gmw/en",
    "en-gb-x-rp": "lang/gmw/en-GB-x-rp",
    "en-gb-scotland": "lang/gmw/en-GB-scotland",
    "en-gb-x-gbclan": "lang/gmw/en-GB-x-gbclan",
}
# Variant of espeak-ng -> factor of its formant frequencies. Listed are variants that differ clearly from each other and
# that a speech recogniser understands at low and high pitch; many others have far higher word error rates.
VARIANTS = {
    **{"adam": 1.0, "edward": 1.0, "klatt": 1.0, "klatt3": 1.0, "klatt4": 1.0, "michel": 1.0, "victor": 0.95},
    **{"f1": 1.12, "f2": 1.1, "f3": 1.2},
}
_TRACTS = {"F": (1.05, 1.19), "M": (0.9, 1.05)}  # vocal tract: formants relative to espeak-ng's default voice, a man
_UPPER_FORMANTS = (0.92, 1.08)  # additional factor of the formants from the third on, which do not determine the vowel
_PITCHES = {"F": (165.0, 255.0), "M": (80.0, 140.0)}  # hertz
_PITCH_RANGES = (0.12, 0.24)  # half of the pitch range, relative to the mean pitch
_RATES = (155, 190)  # words per minute
_PEAK = 0.7  # highest sample


@dataclass(frozen=True)
class GeneratedVoice:
    """A generated speaker and the parameters of their voice."""

    speaker: Speaker
    variant: str
    tract: float  # vocal tract: formants relative to espeak-ng's default voice, a man
    upper_formants: float  # additional factor of the formants from the third on
    pitch: float  # hertz
    pitch_range: float  # half of it, relative to the mean pitch
    rate: int  # words per minute

    @cached_property
    def file(self) -> str:
        """Voice file of espeak-ng for the speaker: the accent, then the variant with modified formants and pitch."""
        factor = self.tract / VARIANTS[self.variant]
        factors = [factor] * 3 + [factor * self.upper_formants] * 6
        lines = voice_lines(ACCENTS[self.speaker.accent or ""])
        lines += [f"formant {peak} {factors[peak] * 100:.0f} 100 100" for peak in range(9)]  # defaults
        for line in voice_lines(f"voices/!v/{self.variant}"):
            match line.split():
                case ["formant", peak, frequency, *rest]:
                    lines.append(" ".join(["formant", peak, f"{factors[int(peak)] * float(frequency):.0f}", *rest]))
                case ["pitch" | "echo", *_]:  # echo simulates a room and makes speakers similar
                    pass
                case _:
                    lines.append(line)
        lines.append(f"pitch {self.pitch * (1 - self.pitch_range):.0f} {self.pitch * (1 + self.pitch_range):.0f}")
        return "\n".join(lines) + "\n"


class GeneratedCorpus(Corpus):
    """Speakers made from espeak-ng's variants and accents, vocal tract, pitch and rate; alternately women and men.

    Speakers and sentences are drawn independently, so increasing their numbers does not change the existing ones.

    Args:
        n_speakers: number of speakers.
        utterances: number of utterances of each speaker.
        seed: of all random choices.
    """

    def __init__(self, n_speakers: int = 96, utterances: int = 30, seed: int = 0) -> None:
        for name, value in (("n_speakers", n_speakers), ("utterances", utterances)):
            if value < 1:
                raise ValueError(f"{name} is {value}: give 1 or more")
        self.utterances = utterances
        self.seed = seed
        self.voices = {voice.speaker.id: voice for voice in (_voice(number, seed) for number in range(n_speakers))}

    def __iter__(self) -> Iterator[Utterance]:
        """Yield every utterance, speaker by speaker; none has a file."""
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
        """Synthesise any sentence by one of the speakers, as `read` does: (W,) float32."""
        if speaker not in self.voices:
            raise ValueError(f"no generated speaker {speaker!r}: there are {', '.join(self.voices)}")
        voice = self.voices[speaker]
        wave, rate = synthesize(text, voice.file, voice.rate)
        return resample(wave * (_PEAK / wave.abs().max()), rate, sample_rate)


def _voice(number: int, seed: int) -> GeneratedVoice:
    """Make one speaker; speakers of one sex cycle through the variants, those of one sex and variant through accents.

    Tract, pitch and upper formants follow a low-discrepancy sequence (multiples of generalised golden ratios, modulo
    1), so that the few speakers of one variant differ clearly.
    """
    sex, index = "FM"[number % 2], number // 2
    cycle, variant = divmod(index, len(VARIANTS))
    variant_rng = random.Random(f"{seed} {sex} {variant}")
    tract, pitch, upper = ((variant_rng.random() + cycle * step) % 1 for step in (0.755, 0.570, 0.618))
    accents = variant_rng.sample(list(ACCENTS), len(ACCENTS))
    speaker_rng = random.Random(f"{seed} {sex} {number}")
    (min_tract, max_tract), (min_pitch, max_pitch) = _TRACTS[sex], _PITCHES[sex]
    return GeneratedVoice(
        speaker=Speaker(f"{sex.lower()}{index:03d}", sex, accents[cycle % len(accents)]),
        variant=list(VARIANTS)[variant],
        tract=min_tract * (max_tract / min_tract) ** tract,
        upper_formants=_UPPER_FORMANTS[0] + (_UPPER_FORMANTS[1] - _UPPER_FORMANTS[0]) * upper,
        pitch=min_pitch * (max_pitch / min_pitch) ** pitch,
        pitch_range=speaker_rng.uniform(*_PITCH_RANGES),
        rate=speaker_rng.randint(*_RATES),
    )
