"""Recordings to clone from: paths, open files and samples in memory, read, checked and conditioned."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lightning_vc.audio import io
from lightning_vc.audio.conditioning import cancels, mix, repair, shorten_pauses, trim, without_bursts
from lightning_vc.audio.decoding import check_samples, decode
from lightning_vc.audio.loudness import level
from lightning_vc.audio.quality import clipping, quality_warnings
from lightning_vc.console import printable, warn

Samples = Tensor | NDArray[Any]  # (W,), (W, channels) or (channels, W)
Clip = str | Path | BinaryIO | Samples | tuple[Samples, int]

_SHORTEST = 0.3  # seconds, shortest clip
_ENCODER_PAUSE = 0.3  # seconds, longest pause for the encoder
_ADAPTATION_PAUSE = 0.5  # seconds, longest pause for adaptation: above the threshold of marked long pauses


class Recording(NamedTuple):
    """A clip that has been read: mono, without offset, clicks and silent ends, of normalised level."""

    name: str
    wave: Tensor  # (W,) at the sample rate of the model

    @property
    def content(self) -> bytes:
        """Sort key of recordings, so that the voice does not depend on the order of the clips."""
        return self.wave.numpy().tobytes()


def read_clips(clips: Sequence[Clip], sample_rate: int, array_rate: int | None = None) -> list[Recording]:
    """Read the clips of one speaker; warns of defects, naming the clip by its path, or as "clip 1" and so on.

    Args:
        clips: paths of sound files, open binary files, (samples, sample rate) tuples, and arrays or tensors of samples.
        sample_rate: of the result, in hertz.
        array_rate: sample rate of those arrays and tensors that come without one.

    Raises:
        FileNotFoundError: for a path that does not exist.
        TypeError: for clips that are no list, and a clip of another type.
        ValueError: for no clips, a clip that is no audio, empty, silent or too short, an array without a sample rate,
            and an `array_rate` that no clip needs.
    """
    if isinstance(clips, str | os.PathLike):
        raise ValueError(f"clips is the one path {str(clips)!r}: give a list of paths")
    if not isinstance(clips, Sequence):
        raise TypeError(f"clips is of type {type(clips).__name__}: give a list of clips, such as paths of sound files")
    if not clips:
        raise ValueError("no clips to clone from: give at least one recording")
    if array_rate is not None and not any(isinstance(clip, Tensor | np.ndarray) for clip in clips):
        raise ValueError(f"sample_rate is {array_rate}, and each clip has its own: leave sample_rate out")
    names = [
        str(clip) if isinstance(clip, str | os.PathLike) else f"clip {number}" for number, clip in enumerate(clips, 1)
    ]
    return [
        Recording(name, _condition(*_decode(clip, name, array_rate), name, sample_rate))
        for name, clip in zip(names, clips, strict=True)
    ]


def for_encoder(wave: Tensor, sample_rate: int) -> Tensor:
    """Shorten pauses to 0.3 s, as the encoder averages over all frames: (W,) -> (W',)."""
    return level(shorten_pauses(wave, sample_rate, _ENCODER_PAUSE))


def for_adaptation(wave: Tensor, sample_rate: int) -> Tensor:
    """Shorten pauses to 0.5 s: (W,) -> (W',)."""
    return level(shorten_pauses(wave, sample_rate, _ADAPTATION_PAUSE))


def _decode(clip: Clip, name: str, array_rate: int | None) -> tuple[Tensor, int]:
    """Return samples (W, channels) and sample rate of a clip of any kind."""
    if isinstance(clip, Tensor | np.ndarray):
        if array_rate is None:
            raise ValueError(f"{name} is of type {type(clip).__name__} without a sample rate: give sample_rate")
        return check_samples(clip, array_rate, name), int(array_rate)
    if isinstance(clip, tuple):
        if len(clip) != 2 or not isinstance(clip[0], Tensor | np.ndarray):
            kinds = ", ".join(type(item).__name__ for item in clip)
            raise TypeError(f"{name} is a tuple of ({kinds}): give (samples, sample rate)")
        return check_samples(*clip, name), int(clip[1])  # numpy's smaller types overflow
    if not isinstance(clip, str | os.PathLike) and not hasattr(clip, "seekable"):
        raise TypeError(
            f"{name} is of type {type(clip).__name__}: give a path, an open binary file, (samples, sample rate), or an "
            "array or tensor and sample_rate"
        )
    return decode(clip, name=printable(name))


def _condition(channels: Tensor, rate: int, name: str, sample_rate: int) -> Tensor:
    """(W, channels) at `rate` to a mono wave (W',) at `sample_rate`; warns of defects."""
    wave, bursts = repair(io.resample(mix(channels), rate, sample_rate), sample_rate)
    wave = level(trim(wave, sample_rate, name=name))
    if len(wave) < _SHORTEST * sample_rate:
        seconds = len(wave) / sample_rate
        raise ValueError(f"{name} has {seconds:.2f} s of sound: give a recording of {_SHORTEST} s or more")
    if cancels(channels):
        warn(f"{name} has channels that cancel each other, one is inverted: the loudest is used alone")
    for warning in quality_warnings(wave, sample_rate, clipping(without_bursts(channels, rate, bursts)), bursts):
        warn(f"{name} {warning}")
    return wave
