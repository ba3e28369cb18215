"""From tar files to samples, and nothing that is broken for one.

A sample's sound stays where it is in its shard until its batch is collated, so buffers for shuffling hold none.
"""

import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise, starmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from webdataset.tariterators import group_by_keys

from lightning_vc.audio.decoding import read_into
from lightning_vc.audio.io import read
from lightning_vc.data.encoding import FLAC_HEADER, checksum_holds, key_of
from lightning_vc.data.fetch import local
from lightning_vc.data.fields import Fields, parse
from lightning_vc.data.index import LONGEST_SECONDS, Index, Shard, ShardFile
from lightning_vc.files import plain_name
from lightning_vc.text.symbols import PHONEMES, SYMBOLS
from lightning_vc.types import Span, Speaker, Word

_LARGEST_JSON = 1 << 22  # bytes, of a sample
_FLAC_BYTES = 4, 1 << 16  # most for each sample of its sound, and beside them
_ROUNDING = 0.01  # seconds: times in a json have two digits
_LETTERS, _PHONEMES = frozenset(SYMBOLS), frozenset(PHONEMES)
_BLOCK = 512  # bytes, of which a tar has whole ones
_AGAIN = "bring it again from where it was written"


class Tar:
    """An open tar file, which closes itself when no sample needs it any more."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self.descriptor).st_size
        if hasattr(os, "posix_fadvise"):  # samples are read in random order: have the disk read in its own
            os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_WILLNEED)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


@dataclass(frozen=True)
class Member:
    """A file in a tar file."""

    tar: Tar
    start: int
    size: int

    def read(self, most: int | None = None) -> bytes:
        """All of them, or the first; raises ValueError where the file has become shorter."""
        wanted = self.size if most is None else min(most, self.size)
        data = os.pread(self.tar.descriptor, wanted, self.start)
        if len(data) < wanted:
            raise ValueError("the file ends before it")
        return data

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        """A copy, perhaps in another process, has the bytes: the number of an open file means nothing there."""
        return bytes, (self.read(),)


@dataclass(frozen=True)
class Sample:
    """One utterance as it comes out of a shard."""

    id: str
    speaker: Speaker
    text: str | None
    words: tuple[Word, ...] | None  # None where nobody transcribed it
    spans: tuple[Span, ...] | None  # of each word that is said; None where nobody has looked
    seconds: float
    flac: bytes | Member
    shard: str = "memory"  # the tar file that it is from

    def wave(self, sample_rate: int) -> Tensor:
        """The sound: (W,) float32."""
        try:
            return read(io.BytesIO(self.coded()), sample_rate, LONGEST_SECONDS)
        except (ValueError, OSError) as error:
            raise self._broken(error) from error

    def wave_into(self, samples: NDArray[np.float32]) -> None:
        """Put the sound, at the rate of its shard, into (W,) of its length."""
        try:
            read_into(io.BytesIO(self.coded()), samples)
        except (ValueError, OSError) as error:
            raise self._broken(error) from error

    def held(self) -> "Sample":
        """The same with its bytes in memory: it may wait for long, and keeps no file open."""
        return replace(self, flac=self.coded())

    def coded(self) -> bytes:
        """The sound as a flac file; raises ValueError where it is not there any more."""
        return self.flac if isinstance(self.flac, bytes) else self.flac.read()

    def _broken(self, error: Exception) -> ValueError:
        return ValueError(f"{self.shard} is broken at sample {self.id} ({error}); {_AGAIN}")


def read_shards(
    files: Iterable[ShardFile], cache: str | None = None, skip: Callable[[str, int], None] | None = None
) -> Iterator[Sample]:
    """Samples of tar files, in their order.

    Args:
        files: shards on this machine or elsewhere.
        cache: folder in which copies of shards from elsewhere are kept.
        skip: told what is broken and how many samples that costs, which are then left out; the sound of each sample is
            decoded once more for that. What cannot be had at all is never left out: it may be there the next time.

    Raises:
        OSError: where a shard is not there or cannot be read.
        ValueError: where one cannot be fetched, or is broken and there is no `skip`, naming shard and sample.
    """
    for url, shard, sample_rate in files:
        with local(url, shard.sha256, shard.bytes, cache) as path:
            seen: set[str] = set()
            seconds: list[float] = []
            errors: list[Exception] = []  # kept until the samples before have come out
            for raw in group_by_keys(_members(url, Tar(path), errors), handler=errors.append):
                key = raw["__key__"]
                try:
                    if key in seen:
                        raise ValueError("it was there before")
                    seen.add(key)
                    sample = _parse(raw, sample_rate, thorough=skip is not None)
                except ValueError as error:
                    message = f"{url} is broken at sample {key} ({error})"
                    if skip is None:
                        raise ValueError(f"{message}; {_AGAIN}") from error
                    skip(message, 1)
                    continue
                seconds.append(sample.seconds)
                yield sample
            if why := errors[0] if errors else _contradiction(shard, len(seen), seconds):
                message = f"{url} is broken {f'after sample {key}' if seen else 'from the beginning'} ({why})"
                if skip is None:
                    raise ValueError(f"{message}; {_AGAIN}")
                skip(message, max(0, shard.samples - len(seen)))


def _contradiction(shard: Shard, samples: int, seconds: Sequence[float]) -> str | None:
    """What an index says wrongly of a shard of so many samples, and of the lengths of those that are whole."""
    if samples != shard.samples:
        return f"it holds {samples} samples, the index says {shard.samples}"
    if len(seconds) == samples and abs(sum(seconds) - shard.seconds) > _ROUNDING * samples:
        return f"it holds {sum(seconds):.3f} seconds, the index says {shard.seconds}"
    return None


def _members(url: str, tar: Tar, errors: list[Exception]) -> Iterator[dict[str, Any]]:
    """Files in a tar file as `group_by_keys` takes them; where it breaks they end, and the error is noted.

    In place of webdataset's walk, which reads all that is in the tar, and headers of every kind with tarfile: to hold
    the sound of a thousand samples costs a twentieth of the time of decoding them, and so do the headers.
    """
    try:
        place = 0
        while any(header := os.pread(tar.descriptor, _BLOCK, place)):  # zeros end a tar
            name, size = _plain(header)
            file = Member(tar, place + _BLOCK, size)
            place += _BLOCK + size + -size % _BLOCK
            if place > tar.size:
                raise ValueError(f"{name} of {size} bytes cannot be in it")
            yield {"fname": name, "data": file, "__url__": url}
    except ValueError as error:
        errors.append(error.with_traceback(None))  # whose frames would keep the file open


def _plain(header: bytes) -> tuple[str, int]:
    """Name and size of a plain file with a short name, which is all that `prepare` puts into a tar (POSIX ustar)."""
    try:
        size, checksum = int(header[124:135], 8), int(header[148:154], 8)
    except ValueError:
        raise ValueError("there is something that is no header of a tar") from None
    name = header[:100].partition(b"\0")[0].decode("ascii", "replace")
    # The checksum is a sum in which its own eight bytes are blanks.
    if len(header) < _BLOCK or checksum != sum(header[:148]) + sum(header[156:]) + 8 * ord(" "):
        raise ValueError(f"the header of {name} is not what was written")
    if size < 0 or header[156:157] != b"0" or header[345:346] != b"\0":
        raise ValueError(f"{name} is no plain file, or is named longer than `prepare` names one")
    return name, size


def _parse(raw: Mapping[str, Any], sample_rate: int, thorough: bool) -> Sample:
    """A sample from its members; with `thorough` its sound is decoded too. Raises ValueError for a broken one."""
    if missing := [name for name in ("json", "flac") if name not in raw]:
        raise ValueError(f"it has no {' and no '.join(missing)}")
    text, flac = raw["json"], raw["flac"]
    if text.size > _LARGEST_JSON:
        raise ValueError(f"its json has {text.size} bytes, more than {_LARGEST_JSON}")
    content, header = text.read(), flac.read(FLAC_HEADER)
    if not checksum_holds(content, header):
        raise ValueError("its checksum differs: it is not what was written")
    known = Fields(parse(content))
    id, seconds = plain_name(known.value("id"), "its id"), known.seconds("seconds", LONGEST_SECONDS)
    if key_of(id) != raw["__key__"]:
        raise ValueError(f"its id is {id!r}, which is not its name")
    length = round(seconds * sample_rate)
    _check_flac(header, length, sample_rate)
    if flac.size > _FLAC_BYTES[0] * length + _FLAC_BYTES[1]:
        raise ValueError(f"its flac has {flac.size} bytes, too many for {seconds} seconds")
    try:
        words = None if known.value("words") is None else tuple(starmap(_word, known.items("words")))
        spans = None if known.value("spans") is None else _spans(known.items("spans"), words or (), seconds)
        speaker = _speaker(*(known.value(field) for field in ("speaker", "sex", "accent", "age")))
    except TypeError as error:  # lists of another form
        raise ValueError(f"its json is not what it should be: {error}") from error
    sample = Sample(id, speaker, known.text_or_none("text"), words, spans, seconds, flac, raw["__url__"])
    if thorough and len(read(io.BytesIO(flac.read()), sample_rate, LONGEST_SECONDS)) != length:
        raise ValueError(f"it has not the {seconds} seconds that it says")
    return sample


def _check_flac(header: bytes, length: int, sample_rate: int) -> None:
    """Raise ValueError where the first bytes of a flac file do not announce so many samples of one channel.

    So nothing longer is ever decoded. STREAMINFO stands first in each flac file: 20 bits of rate, 3 of channels less
    one, 5 of resolution, 36 of length, from byte 18 on.
    """
    if header[:4] != b"fLaC" or len(header) < 42:
        raise ValueError("it cannot be read as audio: it is no flac file")
    packed = int.from_bytes(header[18:26], "big")
    rate, channels, held = packed >> 44, (packed >> 41 & 7) + 1, packed & (1 << 36) - 1
    if (held, channels, rate) != (length, 1, sample_rate):
        raise ValueError(
            f"it holds {held} samples of {channels} channels at {rate} Hz, and should hold {length} of one at "
            f"{sample_rate} Hz"
        )


def _spans(known: list[Span], words: Sequence[Word], seconds: float) -> tuple[Span, ...]:
    times = [time for start, end in known for time in (start, end)]
    if not all(first <= second for first, second in pairwise([0.0, *times, seconds + _ROUNDING])):
        raise ValueError(f"the times of its words are in no order, or not within its {seconds} seconds")
    if len(known) != sum(bool(word.phonemes) for word in words):
        raise ValueError(f"it says when {len(known)} words are said, and has others")
    return tuple((start, end) for start, end in known)


# The same words and speakers come again and again; to make each anew costs a twentieth of all reading.
@lru_cache(maxsize=100_000)
def _word(text: str, phonemes: str) -> Word:
    if not isinstance(text, str) or not isinstance(phonemes, str):
        raise ValueError("its words are not pairs of strings")
    word = Word(text, tuple(phonemes.split()))
    if not text or not (text.startswith("{") or {*text} <= _LETTERS) or not {*word.phonemes} <= _PHONEMES:
        raise ValueError(f"its word {text!r:.40}, {phonemes!r:.40} cannot be spoken")
    return word


@lru_cache(maxsize=10_000)
def _speaker(id: str, sex: str | None, accent: str | None, age: int | None) -> Speaker:
    known = Fields({"speaker": id, "sex": sex, "accent": accent, "age": age})
    return Speaker(
        plain_name(id, "its speaker"),
        known.text_or_none("sex"),
        known.text_or_none("accent"),
        None if age is None else known.count("age"),
    )


def clips_of(index: Index, speaker: str, cache: str | None = None) -> list[Sample]:
    """All samples of one speaker, in a fixed order without meaning: the first n are the n clips to clone from.

    Raises ValueError for a speaker whom the index does not name.
    """
    entries = {entry.id: entry for entry in index.speakers}
    if speaker not in entries:
        heldout = ", ".join(entry.id for entry in index.speakers_of("test")) or "none"
        raise ValueError(f"{index.folder} has no speaker {speaker!r}; its test speakers are {heldout}")
    split = entries[speaker].split
    samples = read_shards(index.files(split, f"{split}-held"), cache)
    return sorted((each for each in samples if each.speaker.id == speaker), key=lambda each: scattered(each.id))


def apart(index: Index, samples: Iterable[Sample]) -> list[Sample]:
    """Of each recording the first piece: for judges two would be too easy a pair."""
    firsts: dict[str, Sample] = {}
    for sample in samples:
        firsts.setdefault(index.recording(sample.id), sample)
    return list(firsts.values())


def scattered(id: str) -> tuple[int, str]:
    """A key that sorts ids into a fixed order without meaning."""
    return zlib.crc32(id.encode()), id
