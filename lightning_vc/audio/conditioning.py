"""Conditioning of recordings for models: channels, offset, clicks, silent ends, long pauses and level.

`prepare` and `Cloner` apply the same steps, except that only `Cloner` shortens pauses.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_vc.audio.loudness import level

_SMALLEST = 1e-20  # lower bound of power and peak, to avoid a division by zero in digital silence
_CUTOFF = 10.0  # hertz, below any speech
_FILTERED = 2**24  # samples that are filtered at once, 17 minutes at 16 kHz: the transform takes 1.2 GB
_MARGIN = 2  # seconds on both sides of a block, in which the filter's response decays below rounding
_FRAME = 0.01  # seconds
_LEVEL_FRAME = 0.02  # seconds, frame in which power is measured to find the ends
_SILENCE = 1e-3  # -60 dB: below recorded speech, above the hiss of a muted input
_CANCELLED = 0.5  # channels cancel if the power of their mean is below this share of that of uncorrelated channels
_LOUDEST = 0.3, 0.02  # seconds, or share, of the frames that are above the reference for bursts
_BURST, _BURST_EDGE = 12.0, 6.0  # decibels above the reference: peak and edges of a burst
_AROUND, _FADE = 0.05, 0.002  # seconds: context whose level a burst is attenuated to, and length of the fades
_QUIET, _NOISE, _LEAST = 40.0, 6.0, 15.0  # decibels: see `shorten_pauses`


class Burst(NamedTuple):
    """A click or thump: a short sound that is much louder than the speech."""

    start: float  # seconds
    end: float


def condition(wave: Tensor, sample_rate: int, top_db: float = 40.0) -> Tensor:
    """Remove the offset, attenuate bursts, trim silent ends and normalise the level: (W,) -> (W',).

    Raises ValueError for a silent recording.
    """
    wave, _ = repair(wave, sample_rate)
    return level(trim(wave, sample_rate, top_db))


def mix(channels: Tensor) -> Tensor:
    """Average the channels of a recording, or take the loudest if they cancel: (W, channels) -> (W,)."""
    if channels.shape[1] == 1:
        return channels[:, 0]
    return channels[:, int(_powers(channels).argmax())] if cancels(channels) else channels.mean(1)


def cancels(channels: Tensor) -> bool:
    """Whether channels (W, channels) cancel in their mean, for example because one of two is inverted."""
    powers, mixed = _powers(channels), channels.mean(1)
    return bool((mixed - mixed.mean()).square().mean() < _CANCELLED * powers.mean() / channels.shape[1])


def _powers(channels: Tensor) -> Tensor:
    """Power of each channel around its mean, (channels,)."""
    return (channels - channels.mean(0)).square().mean(0)


def is_silent(wave: Tensor) -> bool:
    """Whether (W,) stays within 0.001 of full scale around its mean, as with a muted microphone."""
    return not len(wave) or bool((wave - wave.mean()).abs().max() < _SILENCE)


def trim(
    wave: Tensor, sample_rate: int, top_db: float = 40.0, margin: float = 0.1, name: str = "the recording"
) -> Tensor:
    """Trim ends that are `top_db` below the loudest frame, except for `margin` seconds: (W,) -> (W',).

    Raises ValueError for a silent recording, which the message calls `name`.
    """
    if is_silent(wave):
        raise ValueError(f"{name} is silent: give a recording in which somebody speaks")
    frame = max(1, round(_LEVEL_FRAME * sample_rate))
    padded = F.pad(wave - wave.mean(), (0, -len(wave) % frame))
    power = padded.reshape(-1, frame).var(1, correction=0)  # (W / frame,); without offset and slow filter ringing
    loud = (power > power.max() * 10 ** (-top_db / 10)).nonzero()
    kept = round(margin * sample_rate)
    start = max(0, int(loud[0]) * frame - kept)
    return wave[start : (int(loud[-1]) + 1) * frame + kept]


def repair(wave: Tensor, sample_rate: int) -> tuple[Tensor, list[Burst]]:
    """Attenuate bursts of (W,) and remove its offset; returns the wave and its bursts.

    Bursts are attenuated before the high-pass filter, which would spread them over time.
    """
    wave = wave - wave.median()
    bursts = find_bursts(wave, sample_rate)
    return remove_offset(attenuate(wave, sample_rate, bursts), sample_rate), bursts


def remove_offset(wave: Tensor, sample_rate: int) -> Tensor:
    """Remove a constant or drifting offset of (W,), and rumble below 10 Hz, by a zero-phase high-pass filter."""
    wave, blocks = wave - wave.mean(), []
    for start in range(0, max(1, len(wave)), _FILTERED):
        before, margin = min(start, _MARGIN * sample_rate), _MARGIN * sample_rate
        part = wave[start - before : start + _FILTERED + margin]
        size = len(part) + sample_rate // 2  # zero padding, as the filter is circular
        spectrum = torch.fft.rfft(part, size)
        gain = 1 / (1 + (_CUTOFF / torch.fft.rfftfreq(size, 1 / sample_rate)).pow(4))
        blocks.append(torch.fft.irfft(spectrum * gain, size)[before : min(before + _FILTERED, len(part))])
    return torch.cat(blocks)


def find_bursts(wave: Tensor, sample_rate: int) -> list[Burst]:
    """Find clicks and thumps in (W,).

    The reference is the peak that frames of 0.3 seconds in all, or 2 % of the frames of a long recording, exceed. Peaks
    of clean speech are less than 10 dB above it (200 clips of LibriSpeech and speechocean762). Recordings below 0.9
    seconds have no bursts, as their reference may be silence.
    """
    size = max(1, round(_FRAME * sample_rate))
    peaks = F.pad(wave, (0, -len(wave) % size)).view(-1, size).abs().amax(1)  # (W / frame,)
    seconds, share = _LOUDEST
    louder = max(round(seconds / _FRAME), round(share * len(peaks)))
    if 3 * louder > len(peaks):
        return []
    reference = peaks.sort(descending=True).values[louder]
    edges, loud = peaks > reference * 10 ** (_BURST_EDGE / 20), peaks > reference * 10 ** (_BURST / 20)
    runs = ((start, end) for start, end, high in _runs(edges.tolist()) if high and loud[start:end].any())
    return [Burst(start * size / sample_rate, min(end * size, len(wave)) / sample_rate) for start, end in runs]


def attenuate(wave: Tensor, sample_rate: int, bursts: Iterable[Burst]) -> Tensor:
    """Attenuate bursts in (W,) to the level and the peak of the sound around them."""
    wave = wave.clone()
    fade, around = max(1, round(_FADE * sample_rate)), round(_AROUND * sample_rate)
    for burst in bursts:
        start = max(0, round(burst.start * sample_rate) - fade)
        end = min(len(wave), round(burst.end * sample_rate) + fade)
        inside = wave[start:end]
        context = torch.cat([wave[max(0, start - around) : start], wave[end : end + around]])
        power = float(context.square().mean()) / max(float(inside.square().mean()), _SMALLEST)
        peak = float(context.abs().max()) / max(float(inside.abs().max()), _SMALLEST)
        gain = min(1.0, power**0.5, peak)
        ramp = (torch.arange(1, len(inside) + 1) / fade).clamp(max=1)
        wave[start:end] = inside * (1 + (gain - 1) * torch.minimum(ramp, ramp.flip(0)))
    return wave


def without_bursts(channels: Tensor, sample_rate: int, bursts: Iterable[Burst]) -> Tensor:
    """Remove the samples of bursts: (W, channels) -> (W', channels)."""
    keep = torch.ones(len(channels), dtype=torch.bool)
    for burst in bursts:
        keep[int(burst.start * sample_rate) : round(burst.end * sample_rate) + 1] = False
    return channels[keep]


def shorten_pauses(wave: Tensor, sample_rate: int, longest: float) -> Tensor:
    """Shorten every pause to at most `longest` seconds by removing its middle: (W,) -> (W',).

    A frame is quiet if it is 40 dB below loud frames, or within 6 dB of the noise and 15 dB below loud frames.
    """
    size = max(1, round(_FRAME * sample_rate))
    frames = wave[: len(wave) // size * size].view(-1, size)
    decibels = 10 * frames.square().mean(1).clamp(min=1e-12).log10()
    if not len(decibels):
        return wave
    noise, loud = torch.quantile(decibels, torch.tensor([0.1, 0.95])).tolist()
    quiet = decibels < min(max(loud - _QUIET, noise + _NOISE), loud - _LEAST)
    kept, margin = [], round(longest / _FRAME / 2)  # frames on each side of a cut
    for start, end, is_pause in _runs(quiet.tolist()):
        if is_pause and end - start > 2 * margin:
            kept += [frames[start : start + margin], frames[end - margin : end]]
        else:
            kept.append(frames[start:end])
    return torch.cat([*(part.flatten() for part in kept), wave[len(frames) * size :]])


def _runs(flags: Sequence[bool]) -> Iterable[tuple[int, int, bool]]:
    """Yield runs of equal flags: start, end, and the flag."""
    start = 0
    for flag, run in groupby(flags):
        end = start + sum(1 for _ in run)
        yield start, end, flag
        start = end
