"""Detection of defects of a recording that degrade a clone of its speaker.

Thresholds were set on recordings of LibriSpeech and speechocean762: 200 for noise and level, another 200 for music and
speakers. The false alarm rate is about 1 % (noise: 3 of 60 pieces of 2 s, 0 of 60 pieces of 5 s). The detection rate
is above 95 % for noise 10 dB below the speech, for chords 15 dB below it, and for clipping at four times the root mean
square (lower in mp3, which does not preserve clipping). Missing treble has 1 false alarm in 300 other pieces of both
corpora, and is detected in all 300 at a sample rate of 8 kHz. A change of speaker between two pieces of 4 s is detected
in 27 of 33 pairs of a man and a woman, and in 12 of 26 pairs of one sex, so two speakers may go unnoticed.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_vc.audio.backend import torchaudio
from lightning_vc.audio.conditioning import Burst, is_silent
from lightning_vc.audio.io import resample

_FRAME, _HOP = 0.025, 0.01  # seconds
_RANGE = 19.0  # decibels between loud and quiet frames, below which there is background noise
_PEAK, _SHARE = 0.98, 0.002  # clipped: more than this share of samples within 2 % of the highest
_QUIET = 1e-2  # silence, relative to the highest sample
_LITTLE = 1.0  # seconds, shorter recordings get a warning
_NAMED = 3  # clicks whose positions are named
_TONES = 24.0  # decibels of the clearest tone of quiet frames above neighbouring frequencies
_CHANGE = 0.35  # change of the mean cepstrum, in variances
_VOICE = 2.0  # seconds of speech for a reliable mean cepstrum
_RATE, _FFT = 16000, 1024  # sample rate and FFT size for spectra
_DULL = -57.0  # decibels of power above 5.7 kHz relative to speech frequencies, below which treble is missing
_PAUSES = 2.0  # seconds; a shorter recording may lack pauses, in which noise is measured


def quality_warnings(
    wave: Tensor, sample_rate: int, clipped_share: float = 0.0, bursts: Sequence[Burst] = ()
) -> Iterator[str]:
    """Yield warnings about a trimmed recording (W,); none for a good or a silent one.

    `clipped_share` is the share of clipped samples from `clipping`, which resampling hides. `bursts` are the clicks and
    thumps that were attenuated.
    """
    if is_silent(wave):
        return
    seconds = len(wave) / sample_rate
    if seconds < _LITTLE:
        yield f"has {seconds:.1f} s of sound only, too little to clone a voice well: give more or longer recordings"
    if clipped_share > _SHARE:
        yield (
            f"was recorded too loud ({clipped_share:.1%} of it is cut off): the clone sounds harsh; record it again, "
            "further from the microphone"
        )
    if bursts:
        places = ", ".join(f"{burst.start:.1f} s" for burst in bursts[:_NAMED]) + (" ..." if bursts[_NAMED:] else "")
        yield (
            f"has clicks or thumps much louder than the voice (at {places}): they were attenuated; record it without "
            "them, or cut them out"
        )
    decibels = dynamic_range(wave, sample_rate)
    if tonality(wave, sample_rate) > _TONES:
        yield "has music behind the voice: it becomes part of the clone; record it without music"
    elif seconds >= _PAUSES and decibels < _RANGE:
        yield (
            f"has noise or other people behind the voice (its quiet moments are only {decibels:.0f} dB below the loud "
            "ones): they become part of the clone; record it in a quiet room"
        )
    if treble(wave, sample_rate) < _DULL:
        yield (
            "has nothing above some 5 kHz, as if by telephone: without these frequencies, the clone sounds like "
            "another speaker; record it at 16 kHz or more"
        )
    if speaker_change(wave, sample_rate) > _CHANGE:
        yield "seems to have two speakers: the clone becomes a mixture of both; cut out one of them"


def clipping(channels: Tensor) -> float:
    """Share of clipped samples among those above silence, of a recording before resampling: (W, channels).

    The highest share of any channel; samples within 2 % of the highest count as clipped.
    """
    levels = channels.abs()  # (W, channels)
    highest = levels.amax(0).clamp(min=1e-8)
    active = (levels > _QUIET * highest).sum(0).clamp(min=1)
    return float(((levels >= _PEAK * highest).sum(0) / active).max())


def dynamic_range(wave: Tensor, sample_rate: int) -> float:
    """Decibels between the 95th and the 10th percentile of the loudness of 25 ms frames of a wave (W,)."""
    size, hop = round(_FRAME * sample_rate), round(_HOP * sample_rate)
    if len(wave) < size:
        return torch.inf
    loudness = 10 * wave.unfold(0, size, hop).square().mean(1).clamp(min=1e-10).log10()
    loud, quiet = torch.quantile(loudness, torch.tensor([0.95, 0.1])).tolist()
    return float(loud - quiet)


def tonality(wave: Tensor, sample_rate: int) -> float:
    """Decibels of the clearest tone above neighbouring frequencies, averaged over the quietest fifth of a wave (W,).

    Low for noise, medium for speech that fades out, high for music.
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
    """Decibels of the power density of a wave (W,) from 5.7 to 7.5 kHz relative to 0.3 to 3.4 kHz."""
    power = _power_spectra(wave, sample_rate).mean(0)  # (F,)
    high, low = power[365:480].mean(), power[19:218].mean()
    return float(10 * (high.clamp(min=1e-12) / low.clamp(min=1e-12)).log10())


def speaker_change(wave: Tensor, sample_rate: int) -> float:
    """Largest distance between the mean cepstra before and after any point of a wave (W,), to detect a second speaker.

    The distance is squared and relative to the variances of the cepstral coefficients around both means; 0 for a wave
    that is too short.
    """
    wave = resample(wave, sample_rate, _RATE)
    size, hop = 512, round(_HOP * _RATE)
    mel = {"n_fft": size, "hop_length": hop, "n_mels": 40}
    cepstrum = torchaudio.transforms.MFCC(_RATE, n_mfcc=20, melkwargs=mel)(wave).T[:, 1:]  # (T, C) without loudness
    loudness = F.pad(wave, (size // 2, size)).unfold(0, size, hop).square().mean(1)[: len(cepstrum)]
    speech = cepstrum[loudness > 1e-3 * loudness.max()].double()  # (T', C)
    minimum = round(_VOICE / _HOP)
    if len(speech) < 2 * minimum:
        return 0.0
    counts = torch.arange(minimum, len(speech) - minimum + 1).unsqueeze(1)  # (P, 1), frames before each point
    total = speech.sum(0)
    sums = speech.cumsum(0)[minimum - 1 : len(speech) - minimum]  # (P, C)
    before, after = sums / counts, (total - sums) / (len(speech) - counts)
    squares = counts * before.square() + (len(speech) - counts) * after.square()
    variance = (speech.square().sum(0) - squares) / len(speech)
    return float(((before - after).square() / variance).mean(1).max())


def _power_spectra(wave: Tensor, sample_rate: int) -> Tensor:
    """Power spectra of frames of 64 ms every 16 ms, at 16 kHz: (T, F), at least one frame."""
    wave = resample(wave, sample_rate, _RATE)
    wave = F.pad(wave, (0, max(0, _FFT - len(wave))))
    return torch.fft.rfft(wave.unfold(0, _FFT, _FFT // 4) * torch.hann_window(_FFT)).abs().square()
