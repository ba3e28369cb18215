"""Judges that nobody here has trained: how like the speaker, how natural, how well understood.

Each is a package of its own, from the extra `judges` or from the project itself; one that is not installed is absent.
"""

import hashlib
import importlib.util
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torchmetrics.functional.text import char_error_rate, word_error_rate

from lightning_vc.audio import io
from lightning_vc.audio.conditioning import is_silent
from lightning_vc.evaluation.sounds import Opinion, Opinions, Sound
from lightning_vc.files import named_errors, read_text, write_file
from lightning_vc.text.normalize import normalize

RATE = 16000  # hertz that all of them hear
_SHORTEST = 0.25  # seconds
_LOUD = 0.9  # of full scale, what the highest sample becomes before anybody listens


@dataclass(frozen=True)
class Heard:
    """A sound to judge, and what is known of it."""

    wave: Tensor  # (W,) at 16 kHz, its highest sample at 0.9
    references: Sequence[Path]  # other recordings of whoever it should sound like
    text: str | None  # what it should say


class Judge(ABC):
    """One opinion of a sound.

    Args:
        texts: of all sounds that it will hear.

    Attributes:
        package: what has to be installed for it.
        says: names of its measures, as the tables have them.
    """

    package: str
    says: tuple[str, ...]

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = sorted({_spoken(text) for text in texts})

    @classmethod
    def installed(cls) -> bool:
        """Whether it can be asked."""
        return importlib.util.find_spec(cls.package) is not None

    @abstractmethod
    def __call__(self, heard: Heard) -> Opinion:
        """What there is to say, by name; nothing where the sound lacks what it would be compared with."""


class Likeness(Judge):
    """`similarity`: cosine of Resemblyzer's embeddings (Wan et al. 2018) of the sound and of the mean reference."""

    package = "resemblyzer"
    says = ("similarity",)

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__(texts)
        from resemblyzer import VoiceEncoder

        self.encoder = VoiceEncoder("cpu", verbose=False)
        self.known: dict[Path, np.ndarray] = {}

    def __call__(self, heard: Heard) -> Opinion:
        if not heard.references:
            return {}
        mean = np.mean([self._reference(path) for path in heard.references], axis=0)
        voice = self._voice(heard.wave)
        return {"similarity": float(voice @ mean / np.linalg.norm(mean) / np.linalg.norm(voice))}

    def _reference(self, path: Path) -> np.ndarray:
        if path not in self.known:
            self.known[path] = self._voice(loud(io.read(path, RATE)))
        return self.known[path]

    def _voice(self, wave: Tensor) -> np.ndarray:
        """(256,)."""
        from resemblyzer import preprocess_wav

        trimmed = preprocess_wav(wave.numpy(), RATE)
        voice: np.ndarray = self.encoder.embed_utterance(trimmed if len(trimmed) > RATE / 10 else wave.numpy())
        return voice


class Naturalness(Judge):
    """`p808`, `ovrl`, `sig`: opinion scores of 5 as DNSMOS P.835 and P.808 predict them (Reddy et al. 2022, 2021)."""

    package = "speechmos"
    says = ("p808", "ovrl", "sig")

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__(texts)
        from speechmos import dnsmos

        self.run = dnsmos.run

    def __call__(self, heard: Heard) -> Opinion:
        scores = self.run(heard.wave.numpy(), sr=RATE)
        return {name: float(scores[f"{name}_mos"]) for name in self.says}


class Recogniser:
    """English speech to words by PocketSphinx 5, whose models come in its wheel (BSD licence).

    A result does not depend on the sounds before it.
    """

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self.decoder = Decoder(samprate=RATE, loglevel="FATAL")

    def __call__(self, wave: Tensor) -> str:
        """Words in lower case, separated by spaces, of (W,) samples at 16 kHz; "" if there are none."""
        self.decoder.reinit_feat()  # it would go on with the noise of the sound before
        self.decoder.start_utt()
        self.decoder.process_raw((wave * 32767).short().numpy().tobytes(), full_utt=True)
        self.decoder.end_utt()
        return self.decoder.hyp().hypstr if self.decoder.hyp() else ""

    def knows(self, word: str) -> bool:
        """Whether its dictionary has the word."""
        return self.decoder.lookup_word(word) is not None

    def choose(self, texts: list[str]) -> None:
        """Recognise one of these texts, the nearest, from now on."""
        choices = " | ".join(texts)
        self.decoder.add_jsgf_string("texts", f"#JSGF V1.0; grammar texts; public <text> = {choices};")
        self.decoder.activate_search("texts")


class Intelligibility(Judge):
    """`word_errors` of `words`, `letter_errors` of `letters`: what PocketSphinx hears, with its open vocabulary.

    `right`, where there are several texts: whether it takes the sound for its own text, when it is told all of them.
    That still says something of voices that an open vocabulary does not understand.
    """

    package = "pocketsphinx"
    says = ("word error rate", "character error rate", "right")

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__(texts)
        self.recogniser = Recogniser()

    def __call__(self, heard: Heard) -> Opinion:
        if not heard.text or not _spoken(heard.text):
            return {}
        understood = self.recogniser(heard.wave)
        told = errors(understood, heard.text) | {"understood": understood}
        if len(self.texts) > 1:
            told["right"] = self._chooser(heard.wave) == self._known(_spoken(heard.text))
        return told

    @cached_property
    def _chooser(self) -> Recogniser:
        """One that can answer with one of the texts only, of each the words that it knows."""
        chooser = Recogniser()
        chooser.choose(sorted({self._known(text) for text in self.texts} - {""}))
        return chooser

    def _known(self, text: str) -> str:
        return " ".join(word for word in text.split() if self.recogniser.knows(word))


KINDS: tuple[type[Judge], ...] = (Likeness, Naturalness, Intelligibility)


def absent() -> list[str]:
    """What they would have said, and the package that is missing, of each judge that is not installed."""
    return [f"{', '.join(kind.says)} (package {kind.package})" for kind in KINDS if not kind.installed()]


def present(texts: Sequence[str]) -> list[Judge]:
    """All judges that are installed; `texts` are those of all sounds that they will hear.

    Raises ValueError for one whose package lacks something.
    """
    try:
        return [kind(texts) for kind in KINDS if kind.installed()]
    except ImportError as error:
        raise ValueError(f"a judge lacks a package ({error}): pip install 'lightning_vc[judges]'") from error


def score(folder: Path, sounds: Sequence[Sound]) -> Opinions:
    """Score sounds by all installed metrics; scores of an earlier call are reused.

    Args:
        folder: folder of an evaluation. Each score is appended to its judged.jsonl, so that scoring can be interrupted.
        sounds: sounds of all rows.

    Raises:
        ValueError: if judged.jsonl is damaged, or the package of a metric lacks a dependency.
    """
    record, texts = folder / "judged.jsonl", sorted({sound.text for sound in sounds if sound.text})
    keys = {sound.path: _key(sound, texts) for sound in sounds}
    known = _recorded(record)
    if left := [sound for sound in sounds if keys[sound.path] not in known]:
        judges = present(texts)
        write_file(record, "".join(f"{json.dumps({'key': key, **said})}\n" for key, said in known.items()))
        with named_errors(record), record.open("a", encoding="utf-8") as file:
            for sound in track(left, "scoring sounds"):
                said = known[keys[sound.path]] = opinion(judges, sound.path, sound.references, sound.text)
                file.write(json.dumps({"key": keys[sound.path], **said}) + "\n")
                file.flush()
    return {sound.path: known[keys[sound.path]] for sound in sounds}


def _recorded(record: Path) -> dict[str, Opinion]:
    lines = read_text(record).splitlines() if record.exists() else []
    try:
        answers = [json.loads(line) for line in lines if line.endswith("}")]  # the last line may be incomplete
        return {answer.pop("key"): answer for answer in answers}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{record} is damaged ({error}): delete it to score all sounds again") from error


def _key(sound: Sound, texts: Sequence[str]) -> str:
    """Hash of what a score depends on: installed metrics, sound, references and the set of texts."""
    references = [str(path) for path in sound.references]
    digest = hashlib.sha256(f"{absent()} {texts} {sound.path} {references} {sound.text}".encode())
    digest.update(sound.path.read_bytes())
    return digest.hexdigest()[:24]


def opinion(judges: Sequence[Judge], sound: Path, references: Sequence[Path], text: str | None) -> Opinion:
    """What they say of a recording, and whether it is silent or shorter than a quarter of a second.

    Of such a one they say nothing but that no word of the text was understood.
    """
    wave = io.read(sound, RATE)
    if silent := is_silent(wave) or len(wave) < _SHORTEST * RATE:
        return {"silent": silent, **(errors("", text) if text else {})}
    heard = Heard(loud(wave), references, text)
    return {"silent": silent, **{name: value for judge in judges for name, value in judge(heard).items()}}


def errors(understood: str, text: str) -> Opinion:
    """How many words and letters of a text, in lower case and without marks, were not understood, of how many."""
    said = _spoken(text)
    words, letters = len(said.split()), len(said)
    return {
        "words": words,
        "word_errors": round(float(word_error_rate(understood, said)) * words),
        "letters": letters,
        "letter_errors": round(float(char_error_rate(understood, said)) * letters),
    }


def loud(wave: Tensor) -> Tensor:
    """A wave (W,) with its highest sample at 0.9: no judge is to hear how loud it was."""
    return wave * (_LOUD / wave.abs().max().clamp(min=torch.finfo(wave.dtype).tiny))


def _spoken(text: str) -> str:
    """Words as they are said, in lower case, separated by spaces."""
    try:
        words = [word.text for word in normalize(text)]
    except ValueError:  # nothing to speak
        return ""
    return " ".join(re.sub(r"[^a-z' ]+", " ", " ".join(words).lower()).split())
