"""One utterance as a sample of a shard: `<key>.flac` and `<key>.json`, written and read.

The JSON holds crc32, id, speaker, sex, accent, age, text, words ([["the", "ð ə"], [",", ""]]; null if it has
no transcript), spans and seconds.
"""

import hashlib
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, starmap
from typing import Annotated, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from lightning_vc.audio.decoding import read_into
from lightning_vc.audio.io import read
from lightning_vc.data.fields import Count, PlainName, load
from lightning_vc.data.index import LONGEST_SECONDS
from lightning_vc.text.symbols import PHONEMES, SYMBOLS
from lightning_vc.types import Span, Speaker, Word

COPY_AGAIN = "copy it again from where it was written"
_FLAC_HEADER = 1024  # bytes at the beginning of a flac file that the checksum covers; its header is shorter
_CHECKSUM_FIELD = len(b'{"crc32": "00000000", ')
_LARGEST_JSON = 1 << 20  # bytes; that of ten minutes of speech has less than 300,000
_FLAC_BYTES = 4, 1 << 16  # largest size: bytes per audio sample, plus bytes per file
_ROUNDING = 0.01  # seconds: times in the JSON have two decimals
_LETTERS, _PHONEMES = frozenset(SYMBOLS), frozenset(PHONEMES)
_LONGEST_KEY = 100 - len(".flac")  # a file name in a plain tar header has 100 bytes


@dataclass(frozen=True)
class Sample:
    """One utterance, with its audio encoded as FLAC."""

    id: str
    speaker: Speaker
    text: str | None
    words: tuple[Word, ...] | None  # None without a transcript
    spans: tuple[Span, ...] | None  # of each word with phonemes; None without alignment
    seconds: float
    flac: bytes
    url: str = "memory"  # of the shard

    def wave(self, sample_rate: int) -> Tensor:
        """Decode the audio: (W,) float32. Raises ValueError, with shard and id, if it is damaged."""
        try:
            return read(io.BytesIO(self.flac), sample_rate, LONGEST_SECONDS)
        except ValueError as error:
            raise self._broken(error) from error

    def wave_into(self, samples: NDArray[np.float32]) -> None:
        """Decode the audio, at the rate of its shard, into an array (W,) of its length; raises as `wave` does."""
        try:
            read_into(io.BytesIO(self.flac), samples)
        except ValueError as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> ValueError:
        return ValueError(f"{self.url} is broken at sample {self.id} ({error}); {COPY_AGAIN}")

    def encode(self) -> dict[str, str | bytes]:
        """Key and files of the sample, as `webdataset.TarWriter` takes them."""
        content = {
            "id": self.id,
            "speaker": self.speaker.id,
            "sex": self.speaker.sex,
            "accent": self.speaker.accent,
            "age": self.speaker.age,
            "text": self.text,
            "words": self.words and [[word.text, " ".join(word.phonemes)] for word in self.words],
            "spans": self.spans and [[round(start, 2), round(end, 2)] for start, end in self.spans],
            "seconds": self.seconds,
        }
        body = json.dumps(content, ensure_ascii=False).encode()[1:]
        return {"__key__": key_of(self.id), "flac": self.flac, "json": _head(body, self.flac) + body}

    @classmethod
    def decode(cls, files: Mapping[str, Any], sample_rate: int) -> "Sample":
        """Read a sample as `webdataset.group_by_keys` yields it; raises ValueError if it is damaged.

        The audio is checked as far as possible without decoding it.
        """
        if missing := [name for name in ("json", "flac") if name not in files]:
            raise ValueError(f"it has no {' and no '.join(missing)}")
        text, flac = files["json"], files["flac"]
        if len(text) > _LARGEST_JSON:
            raise ValueError(f"its json has {len(text)} bytes, more than {_LARGEST_JSON}")
        if not checksum_holds(text, flac):
            raise ValueError("its checksum differs")
        content = load(_Content, text)
        if key_of(content.id) != files["__key__"]:
            raise ValueError(f"its id is {content.id!r}, which does not match its file name")
        _check_flac(flac, round(content.seconds * sample_rate), sample_rate)
        words = None if content.words is None else tuple(starmap(_word, content.words))
        if content.spans is not None:
            _check_spans(content.spans, words or (), content.seconds)
        speaker = Speaker(content.speaker, content.sex, content.accent, content.age)
        return cls(content.id, speaker, content.text, words, content.spans, content.seconds, flac, files["__url__"])


@dataclass(frozen=True)
class _Content:
    """The JSON of a sample."""

    id: PlainName
    speaker: PlainName
    sex: str | None
    accent: str | None
    age: Count | None
    text: str | None
    words: tuple[tuple[str, str], ...] | None
    spans: tuple[Span, ...] | None
    seconds: Annotated[float, Field(gt=0, le=LONGEST_SECONDS)]


def key_of(id: str) -> str:
    """Name of a sample in a tar file: ASCII, short enough for a tar header, and without a dot.

    webdataset takes everything after the first dot as the suffix.
    """
    key = quote(id, safe="").replace(".", "%2E")
    if len(key) <= _LONGEST_KEY:
        return key
    digest = hashlib.sha256(id.encode()).hexdigest()[:16]
    return f"{key[: _LONGEST_KEY - 1 - len(digest)]}-{digest}"


def checksum_holds(text: bytes, flac: bytes) -> bool:
    """Whether json and flac of a sample are undamaged, as far as this can be checked without decoding.

    The json begins with a CRC-32 of the rest of it and of the beginning of the flac, which holds length, rate and a
    digest of the audio. Every frame of the flac has its own CRC, which decoders check.
    """
    return text[:_CHECKSUM_FIELD] == _head(text[_CHECKSUM_FIELD:], flac)


def _head(body: bytes, flac: bytes) -> bytes:
    return b'{"crc32": "%08x", ' % zlib.crc32(flac[:_FLAC_HEADER], zlib.crc32(body))


def largest_flac(length: int) -> int:
    """Largest allowed size in bytes of a FLAC file of `length` audio samples."""
    return _FLAC_BYTES[0] * length + _FLAC_BYTES[1]


def _check_flac(flac: bytes, length: int, sample_rate: int) -> None:
    """Raise ValueError if a FLAC file does not declare `length` samples of one channel, or is too large for that.

    This bounds the memory of decoding. A FLAC file begins with STREAMINFO, which has from byte 18 on 20 bits of rate, 3
    of channels minus one, 5 of resolution and 36 of length.
    """
    if flac[:4] != b"fLaC" or len(flac) < 42:
        raise ValueError("it cannot be read as audio: it is not a flac file")
    packed = int.from_bytes(flac[18:26], "big")
    rate, channels, declared = packed >> 44, (packed >> 41 & 7) + 1, packed & (1 << 36) - 1
    if (declared, channels, rate) != (length, 1, sample_rate):
        raise ValueError(
            f"it holds {declared} samples of {channels} channels at {rate} Hz, and should hold {length} of one at "
            f"{sample_rate} Hz"
        )
    if len(flac) > largest_flac(length):
        raise ValueError(f"its flac has {len(flac)} bytes, too many for {length} samples")


def _check_spans(spans: Sequence[Span], words: Sequence[Word], seconds: float) -> None:
    times = [time for span in spans for time in span]
    if not all(first <= second for first, second in pairwise([0.0, *times, seconds + _ROUNDING])):
        raise ValueError(f"the times of its words are in no order, or not within its {seconds} seconds")
    if len(spans) != sum(bool(word.phonemes) for word in words):
        raise ValueError(f"it has times for {len(spans)} words, which is not the number of its spoken words")


_LONGEST_WORD = 200  # letters: bounds the memory of the cache below


# Words recur; without the cache, building them takes a twentieth of the reading time.
@lru_cache(maxsize=100_000)
def _word(text: str, phonemes: str) -> Word:
    if len(text) > _LONGEST_WORD or len(phonemes) > 5 * _LONGEST_WORD:
        raise ValueError(f"its word {text!r:.40} has more than {_LONGEST_WORD} letters, or too many phonemes")
    word = Word(text, tuple(phonemes.split()))
    if not text or not (text.startswith("{") or {*text} <= _LETTERS) or not {*word.phonemes} <= _PHONEMES:
        raise ValueError(f"its word {text!r:.40}, {phonemes!r:.40} cannot be spoken")
    return word
