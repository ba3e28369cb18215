"""What is wrong with a recording of a voice, and what that does to a clone of it.

The limits are from recordings of LibriSpeech and speechocean762: 200 for noise and level, another 200 for music and
voices. Each thing is said of about one in a hundred as they are (that there is noise, of three in 60 pieces of 2 s and
of none in 60 of 5 s); of more than 95 in a hundred with noise 10 dB below the voice, with chords 15 dB below it, or cut
off at four times their root mean square (of less in mp3, which does not keep what was cut off). That nothing is above
5 kHz is said of 1 in 300 other pieces of both corpora as they are, and of all 300 at 8 kHz. Where four seconds of one
reader follow four of another, it is noticed of 27 in 33 pairs of a man and a woman, and of 12 in 26 others: silence
about it promises nothing.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_vc.audio.backend import torchaudio
from lightning_vc.audio.conditioning import Burst, is_silent
from lightning_vc.audio.io import resample

_FRAME, _HOP = 0.025, 0.01  # seconds
_RANGE = 19.0  # decibels between loud and quiet frames, below which there is something behind the voice
_PEAK, _SHARE = 0.98, 0.002  # share of the samples within 2 % of the highest, above which they were cut off
_QUIET = 1e-2  # of the highest sample, below which there is silence
_LITTLE = 1.0  # seconds
_NAMED = 3  # clicks whose places are named
_TONES = 24.0  # decibels of the clearest tone of quiet frames above what is beside it
_CHANGE = 0.35  # of the mean cepstrum, in variances
_VOICE = 2.0  # seconds of sound from which one knows the mean of a voice
_RATE, _FFT = 16000, 1024  # at which tones and voices are looked at
_DULL = -57.0  # decibels of what is above 5.7 kHz, relative to what makes out a voice, below which nothing is there
_PAUSES = 2.0  # seconds, below which a voice may well not pause, so that nothing is known of what is behind it


def complaints(wave: Tensor, sample_rate: int, cut_off: float = 0.0, bursts: Sequence[Burst] = ()) -> Iterator[str]:
    """Of a wave (W,) whose ends are trimmed; none where nothing is wrong, or where it is silent.

    `cut_off` is the share of its samples that were, as `clipping` finds it: that is not seen once it is resampled.
    `bursts` are the clicks and thumps that were attenuated in it.
    """
    if is_silent(wave):
        return
    seconds = len(wave) / sample_rate
    if seconds < _LITTLE:
        yield f"has {seconds:.1f} s of sound only, which tells little of a voice: give more, or longer ones"
    if cut_off > _SHARE:
        yield (
            f"was recorded too loud ({cut_off:.1%} of it is cut off): the voice becomes harsh; record it again, "
            "further from the microphone"
        )
    if bursts:
        places = ", ".join(f"{burst.start:.1f} s" for burst in bursts[:_NAMED]) + (" ..." if bursts[_NAMED:] else "")
        yield (
            f"has clicks or thumps much louder than the voice (at {places}): they were turned down; record it without, "
            "or cut them out"
        )
    between = dynamic_range(wave, sample_rate)
    if tonality(wave, sample_rate) > _TONES:
        yield "has music behind the voice: it becomes a part of it; record it without"
    elif seconds >= _PAUSES and between < _RANGE:
        yield (
            f"has noise or other people behind the voice (its quiet moments are only {between:.0f} dB below the loud "
            "ones): they become a part of it; record it in a quiet room"
        )
    if treble(wave, sample_rate) < _DULL:
        yield (
            "has nothing above some 5 kHz, as if by telephone: much of a voice is there, and without it another one is "
            "heard; record it at 16 kHz or more"
        )
    if change(wave, sample_rate) > _CHANGE:
        yield "seems to have two speakers: the voice becomes a mixture; cut out what one of them says"


def clipping(channels: Tensor) -> float:
    """Share of the samples of a recording, as it is in its file, that were cut off: (W, channels).

    It is the highest of any channel, and of what is not silence: each sample within 2 % of the highest counts.
    """
    levels = channels.abs()  # (W, channels)
    highest = levels.amax(0).clamp(min=1e-8)
    spoken = (levels > _QUIET * highest).sum(0).clamp(min=1)
    return float(((levels >= _PEAK * highest).sum(0) / spoken).max())


def dynamic_range(wave: Tensor, sample_rate: int) -> float:
    """Decibels between the 95th and the 10th percentile of the loudness of 25 ms frames of a wave (W,)."""
    size, hop = round(_FRAME * sample_rate), round(_HOP * sample_rate)
    if len(wave) < size:
        return torch.inf
    loudness = 10 * wave.unfold(0, size, hop).square().mean(1).clamp(min=1e-10).log10()
    loud, quiet = torch.quantile(loudness, torch.tensor([0.95, 0.1])).tolist()
    return float(loud - quiet)


def tonality(wave: Tensor, sample_rate: int) -> float:
    """Decibels of the clearest tone above the tones around it, in the mean of the quietest fifth of a wave (W,).

    Of noise there is a little, of a voice that dies away some, of music much.
    """
    power = _power_spectra(wave, sample_rate)
    if len(power) < 2:
        return 0.0
    loudness = power.sum(1)
    quiet = power[loudness <= loudness.quantile(0.2), 6:256]  # 94 to 4,000 Hz
    decibels = 10 * quiet.clamp(min=1e-12).log10()
    around = F.pad(decibels.unsqueeze(1), (15, 15), mode="reflect").squeeze(1).unfold(1, 31, 1).median(2).values
    return float((decibels - around).amax(1).mean())


def treble(wave: Tensor, sample_rate: int) -> float:
    """Decibels of the power of a wave (W,) from 5.7 to 7.5 kHz above that from 0.3 to 3.4 kHz, by frequency."""
    power = _power_spectra(wave, sample_rate).mean(0)  # (F,)
    high, low = power[365:480].mean(), power[19:218].mean()
    return float(10 * (high.clamp(min=1e-12) / low.clamp(min=1e-12)).log10())


def change(wave: Tensor, sample_rate: int) -> float:
    """How far the mean cepstrum before a moment is from that after it, at the moment where it is furthest.

    Squared, relative to the variances of the cepstral coefficients around their means: 0 where a wave (W,) is too short
    to tell.
    """
    wave = resample(wave, sample_rate, _RATE)
    size, hop = 512, round(_HOP * _RATE)
    mel = {"n_fft": size, "hop_length": hop, "n_mels": 40}
    cepstrum = torchaudio.transforms.MFCC(_RATE, n_mfcc=20, melkwargs=mel)(wave).T[:, 1:]  # (T, C) but for loudness
    loudness = F.pad(wave, (size // 2, size)).unfold(0, size, hop).square().mean(1)[: len(cepstrum)]
    spoken = cepstrum[loudness > 1e-3 * loudness.max()].double()  # (T', C)
    least = round(_VOICE / _HOP)
    if len(spoken) < 2 * least:
        return 0.0
    first = torch.arange(least, len(spoken) - least + 1).unsqueeze(1)  # (moments, 1), how many frames are before
    total = spoken.sum(0)
    sums = spoken.cumsum(0)[least - 1 : len(spoken) - least]  # (moments, C)
    before, after = sums / first, (total - sums) / (len(spoken) - first)
    around = first * before.square() + (len(spoken) - first) * after.square()
    variance = (spoken.square().sum(0) - around) / len(spoken)
    return float(((before - after).square() / variance).mean(1).max())


def _power_spectra(wave: Tensor, sample_rate: int) -> Tensor:
    """Power of frames of 64 ms, each 16 ms, at 16 kHz: (T, F), at least one frame."""
    wave = resample(wave, sample_rate, _RATE)
    wave = F.pad(wave, (0, max(0, _FFT - len(wave))))
    return torch.fft.rfft(wave.unfold(0, _FFT, _FFT // 4) * torch.hann_window(_FFT)).abs().square()
