"""Reading and writing of sound files by soundfile: wav, flac, ogg, opus and mp3.

Within the package, a recording is a mono float32 tensor (W,) in [-1, 1], at the sample rate that was passed to `read`.
"""

import io
import os
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import soundfile
import torch
from torch import Tensor

from lightning_vc.audio.backend import torchaudio
from lightning_vc.audio.conditioning import mix
from lightning_vc.audio.decoding import MAX_SECONDS, decode
from lightning_vc.files import write_file

# Suffix -> container and coding of soundfile.
_FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
SUFFIXES = tuple(_FORMATS)
# Sample rates of codings that support only a few.
_RATES = {
    "OPUS": (8000, 12000, 16000, 24000, 48000),
    "MPEG_LAYER_III": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
}
_RESAMPLED = 2**25  # samples that are resampled at once, 12 minutes at 48 kHz: they take 0.9 GB meanwhile
_MARGIN = 8  # periods of input before and after a block: one more than its resampled samples depend on
_BLOCK = 65536  # samples per write, as libsndfile's Vorbis encoder crashes on half a minute at once


def read(file: str | os.PathLike[str] | BinaryIO, sample_rate: int, max_seconds: float = MAX_SECONDS) -> Tensor:
    """Read a recording as mono float32 (W,) at `sample_rate`; arguments and errors as in `decode`."""
    channels, rate = decode(file, max_seconds)
    return resample(mix(channels), rate, sample_rate)


def resample(wave: Tensor, rate: int, sample_rate: int) -> Tensor:
    """Change the sample rate from `rate` to `sample_rate` Hz: (..., W) -> (..., W * sample_rate / rate)."""
    # Exact for common rates. Rates such as 44101 Hz are off by less than a millionth, and so need little memory.
    ratio = Fraction(rate, sample_rate).limit_denominator(1000)
    period, samples, blocks = ratio.numerator, wave.shape[-1], []  # of input; `denominator` samples of output
    size, margin = max(1, _RESAMPLED // period) * period, _MARGIN * period
    for start in range(0, max(1, samples), size):
        before = min(start, margin)
        part = wave[..., start - before : start + size + (margin if start + size < samples else 0)]
        block = torchaudio.functional.resample(part, period, ratio.denominator)
        first = before // period * ratio.denominator
        blocks.append(block[..., first : first + size // period * ratio.denominator])
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, -1)


def write(path: str | Path, wave: Tensor, sample_rate: int) -> None:
    """Write (W,) samples in [-1, 1] to `path` in the format of its suffix, atomically; louder samples are clipped.

    Raises ValueError for an unknown suffix, an empty wave and NaN or infinite samples, OSError if writing fails.
    """
    path = writable(path)
    write_file(path, encode(wave, sample_rate, path.suffix, str(path)))


def write_parts(path: str | Path, parts: Iterable[Tensor], sample_rate: int) -> None:
    """Write the parts (W,) of a wave to `path` as they arrive, so that the file can be played before it is complete.

    An existing file is overwritten. Raises whatever `write` raises.
    """
    path = writable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        written = _encode(path, parts, sample_rate, path.suffix, str(path))
        stored = soundfile.info(path).frames
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", "") or "the disk may be full"
        raise OSError(f"{path} cannot be written: {reason}") from error
    if stored != written:  # on a full disk, libsndfile reports no error for some formats
        raise OSError(f"{path} cannot be written: it holds {stored} of {written} samples, the disk may be full")


def writable(path: str | Path) -> Path:
    """Return the path; raises ValueError for a folder or an unknown suffix, and whatever `probe` raises."""
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name the sound file to write")
    if path.suffix.lower() not in _FORMATS:
        raise ValueError(f"{path}: cannot write audio as '{path.suffix}': end the name in {', '.join(SUFFIXES)}")
    probe(path)
    return path


def probe(path: str | Path) -> None:
    """Raise OSError if no regular file can be written at `path`; creates neither the file nor its folder."""
    exists = Path(path).exists()
    if exists and not Path(path).is_file():
        raise OSError(f"{path} is not a regular file: name a file to write")
    try:
        folder = next(parent for parent in Path(path).absolute().parents if parent.exists())
        with open(path, "r+b") if exists else tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror}") from error


def encode(wave: Tensor, sample_rate: int, suffix: str, name: str = "audio") -> bytes:
    """Encode (W,) samples in [-1, 1] as the bytes of a sound file, in the format of a suffix such as `.flac`.

    For Opus and mp3, an unsupported sample rate is converted to the next higher supported one, or to 48 kHz. Raises
    ValueError, naming `name`, for an empty wave and NaN or infinite samples.
    """
    file = io.BytesIO()
    _encode(file, [wave], sample_rate, suffix, name)
    return file.getvalue()


def _encode(file: Path | BinaryIO, parts: Iterable[Tensor], sample_rate: int, suffix: str, name: str) -> int:
    """Write parts (W,) to a path or an open file; returns the number of samples, at the sample rate of the file."""
    container, coding = _FORMATS[suffix.lower()]
    rates = _RATES.get(coding, (sample_rate,))
    rate = min((rate for rate in rates if rate >= sample_rate), default=rates[-1])
    out, written = None, 0
    try:
        for part in parts:
            if part.dim() != 1 or not len(part):
                raise ValueError(f"{name}: a recording to write is (W,) samples, at least one, got {tuple(part.shape)}")
            if not part.isfinite().all():
                raise ValueError(f"{name}: the recording to write holds NaN or infinite samples")
            samples = resample(part.detach().to("cpu", torch.float32), sample_rate, rate)
            out = out or soundfile.SoundFile(file, "w", rate, 1, coding, format=container)
            for start in range(0, len(samples), _BLOCK):
                out.write(samples[start : start + _BLOCK].numpy())
            out.flush()
            written += len(samples)
        if out is None:
            raise ValueError(f"{name}: there is no recording to write")
        return written
    finally:
        if out:
            out.close()
