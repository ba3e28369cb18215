"""Decoding of sound files by soundfile (wav, flac, ogg, opus, mp3 and others), and checks of samples in memory.

Headers are not trusted: memory use is bounded whatever they declare, and a file with less sound than its header
declares is refused. Every error names the file.
"""

import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_vc.console import printable, warn

MAX_SECONDS = 600.0
_MAX_SAMPLES = 2**27  # of all channels together: 512 MiB as float32
_MIN_RATE, _MAX_RATE = 1_000, 768_000  # hertz
_MAX_LEVEL = 2.0**31  # times full scale: 32-bit integers stored as floats
_MAX_MISSING = 0.1  # seconds that a file may lack relative to its header, as some encoders count wrongly
_UNKNOWN_FRAMES = 2**63 - 1  # length that libsndfile reports for a FLAC written to a pipe
_UNKNOWN_BYTES = 0x7FFFF000  # ffmpeg, sox and others declare at least this length in a WAV written to a pipe
_MAX_BYTES = 2**29  # read from a WAV without a length
_MAX_CHUNKS = 100  # before the samples of a WAV
_OGG_PAGE = 27 + 255 + 255 * 255  # bytes of the longest page
_MP3_TABLES = (b"Xing", b"Info", b"VBRI")  # names of headers with the number of frames


class _ForwardFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A sound file that is read without seeking, which fails for a FLAC of unknown length."""

    def seekable(self) -> bool:
        return False


def decode(
    file: str | os.PathLike[str] | BinaryIO, max_seconds: float = MAX_SECONDS, name: str = ""
) -> tuple[Tensor, int]:
    """Decode a recording: returns (W, channels) float32, with full scale 1, and its sample rate in hertz.

    Args:
        file: a path, or a seekable binary file, which is read from its beginning.
        max_seconds: longer recordings are truncated to this length, with a warning, and to 2**27 samples of all
            channels together.
        name: of the recording in messages; by default that of the file.

    Raises:
        FileNotFoundError: for a path that does not exist.
        TypeError: for neither a path nor an open binary file.
        ValueError: for a file that is not audio, is cut off, or has no samples, a sample rate outside of 1,000 to
            768,000 Hz, or samples that are NaN, infinite or above 2**31; for folders, pipes and devices.
    """
    name = name or printable(file if isinstance(file, str | os.PathLike) else getattr(file, "name", "the open file"))
    with _opened(file, name) as stream:
        try:
            return _decode(_with_length(stream), name, max_seconds)
        except (soundfile.SoundFileError, TypeError, OSError) as error:  # TypeError: an open file named .raw
            reason = str(getattr(error, "error_string", error)).rstrip(".")
            raise ValueError(
                f"{name} cannot be read as audio ({reason}): give .wav, .flac, .ogg, .opus or .mp3"
            ) from error


def check_samples(samples: Tensor | NDArray[Any], rate: int, name: str, max_seconds: float = MAX_SECONDS) -> Tensor:
    """Convert samples in memory to (W, channels) float32 on the CPU, with full scale 1.

    Args:
        samples: (W,), (W, channels) or (channels, W), of which W is the longer; integers have the full scale of their
            type.
        rate: sample rate in hertz.
        name: of the recording in messages.
        max_seconds: as in `decode`.

    Raises:
        TypeError: for samples that are neither floats nor integers, and for a rate that is no integer.
        ValueError: for another shape, no samples, a rate out of bounds, and samples that are NaN, infinite or huge.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | np.integer):
        raise TypeError(f"{name} has a sample rate of type {type(rate).__name__}: give an integer, in hertz")
    rate = int(rate)  # products with a NumPy integer of 16 bits overflow
    _check_rate(rate, name)
    if isinstance(samples, Tensor):
        if samples.layout != torch.strided or samples.is_nested or samples.is_quantized or samples.is_meta:
            raise TypeError(f"{name} is a sparse, nested or quantised tensor, or has no data: give a dense one")
        samples = samples.detach().resolve_neg().resolve_conj()
    if samples.ndim not in (1, 2) or not len(samples) or not samples.shape[-1]:
        raise ValueError(
            f"{name} has the shape {tuple(samples.shape)}: give (W,) or (W, channels) samples, one or more"
        )
    samples = samples[:, None] if samples.ndim == 1 else samples if len(samples) >= samples.shape[1] else samples.T
    if len(samples) > (limit := min(int(max_seconds * rate), _MAX_SAMPLES // samples.shape[1])):
        _warn_truncated(name, limit / rate)
        samples = samples[:limit]
    if isinstance(samples, Tensor):  # after the cut: an expanded tensor may have any length
        samples = (samples.float() if samples.is_floating_point() else samples).cpu().numpy()
    if samples.dtype.kind == "f":
        samples = samples.astype(np.float32)
        _check_level(samples, "FLOAT", name)
    elif samples.dtype.kind in "iu":
        lowest, end = int(np.iinfo(samples.dtype).min), int(np.iinfo(samples.dtype).max) + 1
        samples = ((samples - (lowest + end) / 2) / ((end - lowest) / 2)).astype(np.float32)
    else:
        raise TypeError(f"{name} has samples of type {samples.dtype}: give floats or integers")
    return torch.from_numpy(np.ascontiguousarray(samples))


def read_into(file: BinaryIO, samples: NDArray[np.float32]) -> None:
    """Decode an open file of one channel into an array (W,), such as a row of a batch; faster than `decode`.

    Raises ValueError for a file that is not audio, and for another number of samples or channels.
    """
    try:
        with _ForwardFile(file) as recording:
            frames, channels = recording.frames, recording.channels
            if (frames, channels) != (len(samples), 1):
                raise ValueError(f"it holds {frames} samples of {channels} channels, not {len(samples)} of one")
            if (decoded := len(recording.read(out=samples))) != frames:
                raise ValueError(f"it cannot be read as audio: only {decoded} of its {frames} samples are there")
            _check_level(samples, recording.subtype, "it")
    except soundfile.SoundFileError as error:
        raise ValueError(f"it cannot be read as audio ({getattr(error, 'error_string', error)})") from error


@contextmanager
def _opened(file: str | os.PathLike[str] | BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Open a path, or check an open file."""
    if isinstance(file, str | os.PathLike):
        if not os.path.exists(file):
            raise FileNotFoundError(f"{name}: no such recording")
        if not os.path.isfile(file):
            raise ValueError(f"{name} is not a file: name one recording; save the output of a pipe to a file first")
        with open(file, "rb", buffering=0) as stream:
            yield stream
    elif isinstance(file, io.TextIOBase) or not hasattr(file, "seekable"):
        raise TypeError(
            f"a recording must be a path or an open binary file, not {type(file).__name__}: "
            "write samples to a file by lightning_vc.audio.io.write, wrap bytes in io.BytesIO"
        )
    elif not file.seekable():
        raise ValueError(f"{name} cannot seek, as pipes and sockets cannot: save the recording to a file first")
    else:
        yield file


def _decode(stream: BinaryIO, name: str, max_seconds: float) -> tuple[Tensor, int]:
    """Decode an open file."""
    stream.seek(0)
    # libsndfile reads a file descriptor itself, which is faster than reading through a Python object.
    source = stream.fileno() if isinstance(stream, io.FileIO) else stream
    with _ForwardFile(source, closefd=False) as recording:
        rate, channels, frames = recording.samplerate, recording.channels, recording.frames
        _check_rate(rate, name)
        limit = min(int(max_seconds * rate), _MAX_SAMPLES // channels)
        samples = recording.read(out=np.empty((max(0, min(frames, limit)), channels), np.float32))
        container, coding = recording.format, recording.subtype
    if not len(samples):
        raise ValueError(f"{name} is empty: it holds no audio samples")
    _check_level(samples, coding, name)
    if len(samples) < limit:
        _check_complete(stream, name, container, frames, len(samples), rate)
    elif frames > limit:
        _warn_truncated(name, limit / rate)
    return torch.from_numpy(samples), rate


def _check_rate(rate: int, name: str) -> None:
    if not _MIN_RATE <= rate <= _MAX_RATE:
        raise ValueError(f"{name} declares a sample rate of {rate} Hz: give one of {_MIN_RATE} to {_MAX_RATE} Hz")


def _warn_truncated(name: str, seconds: float) -> None:
    warn(f"{name} is longer than {seconds:g} s: the rest is not used; cut it to use another part")


def _check_complete(stream: BinaryIO, name: str, container: str, declared: int, decoded: int, rate: int) -> None:
    """Raise ValueError for a file from which less was decoded than it declares or contains."""
    bytes_decoded, size = stream.tell(), stream.seek(0, os.SEEK_END)
    is_length_known = declared != _UNKNOWN_FRAMES and (container != "MP3" or _declares_mp3_frames(stream))
    missing = max(declared - decoded if is_length_known else 0, decoded * _missing_ratio(stream)) / rate
    if missing > _MAX_MISSING or (container == "OGG" and _last_page_is_incomplete(stream)):
        raise ValueError(f"{name} is cut off: only {decoded / rate:.1f} s of it are there; copy or record it again")
    if (container == "OGG" or not is_length_known) and size - bytes_decoded > size // 4:
        raise ValueError(
            f"{name}: only its first {decoded / rate:.1f} s can be decoded, {bytes_decoded} of {size} bytes: "
            "convert it to wav or flac"
        )


def _check_level(samples: NDArray[np.float32], coding: str, name: str) -> None:
    """Raise ValueError for NaN, infinite and huge samples, which only floating-point codings can contain."""
    if coding.startswith("PCM") or not samples.size:
        return
    highest = max(float(samples.max()), -float(samples.min()))
    if not np.isfinite(highest):
        raise ValueError(f"{name} holds samples that are NaN or infinite: record or convert it again")
    if highest > _MAX_LEVEL:
        raise ValueError(f"{name} holds a sample of {highest:g}, where full scale is 1: record or convert it again")


def _with_length(stream: BinaryIO) -> BinaryIO:
    """Return the file itself; for a WAV whose header declares length 0, a copy that declares an unknown length."""
    start, declared, available = _wav_data(stream)
    if declared or not available or _is_wav_chunk(stream, start):
        return stream
    stream.seek(0)
    content = bytearray(stream.read(_MAX_BYTES))
    content[start - 4 : start] = b"\xff" * 4  # unknown
    return io.BytesIO(content)


def _missing_ratio(stream: BinaryIO) -> float:
    """Ratio of missing to available bytes of a WAV; 0 for other formats and unknown lengths."""
    _, declared, available = _wav_data(stream)
    return (declared - available) / available if 0 < available < declared < _UNKNOWN_BYTES else 0.0


def _last_page_is_incomplete(stream: BinaryIO) -> bool:
    """Whether an Ogg file ends within a page or a packet. Android sets no end-of-stream flag, so it is ignored."""
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - 2 * _OGG_PAGE))
    tail = stream.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27:
        return True
    segments = page[27 : 27 + page[26]]
    end = 27 + page[26] + sum(segments)
    begins_another = end < len(page) and b"OggS".startswith(page[end : end + 4])
    return len(page) < end or segments[-1:] == b"\xff" or begins_another


def _declares_mp3_frames(stream: BinaryIO) -> bool:
    """Whether an MP3 file declares its number of frames; otherwise libsndfile guesses it."""
    stream.seek(0)
    head = stream.read(2**16)
    return any(table in head for table in _MP3_TABLES)


def _wav_data(stream: BinaryIO) -> tuple[int, int, int]:
    """Return start, declared bytes and available bytes of the samples of a WAV file; zeros for other files."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        start = len(head)
        for _ in range(_MAX_CHUNKS):
            stream.seek(start)
            name, declared = struct.unpack("<4sI", stream.read(8).ljust(8, b"\0"))
            start += 8
            if name == b"data":
                return start, declared, max(0, size - start)
            start += declared + declared % 2
    return 0, 0, 0


def _is_wav_chunk(stream: BinaryIO, start: int) -> bool:
    """Whether a chunk starts there: a four-letter name and a length that fits into the file."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(start)
    name, length = struct.unpack("<4sI", stream.read(8).ljust(8, b"\0"))
    return name.isascii() and name.decode("latin-1").isprintable() and start + 8 + length <= size
