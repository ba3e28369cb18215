"""A corpus of tones, with as many oddities as a test asks for."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from lightning_vc.corpora.base import Corpus
from lightning_vc.types import Speaker, Utterance

TEXTS = ("the cat sat on the mat.", "a dog, a man", "look at the sun", None)


class Tones(Corpus):
    """Speakers who hum: each utterance is a tone of 0.6 to 1.2 s between two silences of 0.5 s."""

    def __init__(self, n_speakers: int = 10, utterances: int = 8, transcribed: bool = True) -> None:
        self.n_speakers, self.utterances, self.transcribed = n_speakers, utterances, transcribed

    def __iter__(self) -> Iterator[Utterance]:
        for number in range(self.n_speakers):
            speaker = Speaker(f"s{number:02}", "FM"[number % 2], f"accent {number // 2 % 3}", 20 + number)
            for item in range(self.utterances):
                text = TEXTS[item % 3] if self.transcribed else None
                yield Utterance(f"s{number:02}-{item:03}", speaker, text)

    def read(self, utterance: Utterance, sample_rate: int) -> Tensor:
        speaker, item = (int(part) for part in utterance.id[1:].split("-"))
        seconds = 0.6 + (7 * speaker + 3 * item) % 13 / 20
        time = torch.arange(round(seconds * sample_rate)) / sample_rate
        tone = 0.5 * torch.sin(2 * math.pi * (100 + 20 * speaker) * time)
        silence = torch.zeros(sample_rate // 2)
        return torch.cat((silence, tone, silence))


class Listed(Corpus):
    """Exactly these utterances; what their sound is says the id."""

    def __init__(self, utterances: list[Utterance]) -> None:
        self.listed = utterances

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.listed)

    def read(self, utterance: Utterance, sample_rate: int) -> Tensor:
        kind = utterance.id.split("-")[0]
        if kind == "missing":
            raise FileNotFoundError(f"{utterance.id}.wav: no such recording")
        if kind == "broken":
            raise ValueError(f"{utterance.id}.wav cannot be read as audio")
        seconds = {"short": 0.1, "long": 30.0}.get(kind, 1.0)
        wave = 0.5 * torch.sin(torch.arange(round(seconds * sample_rate)) * 0.1)
        return torch.zeros_like(wave) if kind == "silent" else wave
