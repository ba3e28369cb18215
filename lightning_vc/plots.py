"""Plots of speech and of speaker embeddings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor, block_diag, linalg

from lightning_vc.files import atomic_write
from lightning_vc.speech import Speech

_MAX_LABELS = 45  # symbols that are named in a plot


def draw_speech(speech: Speech, hop: int) -> Figure:
    """Plot the linear spectrogram, and below it which symbol is spoken when, in each attention layer.

    Args:
        speech: of one segment or several, whose pauses between them the plot leaves out.
        hop: samples between two frames of its spectrogram.
    """
    seconds = speech.spectra.linear.shape[1] * hop / speech.sample_rate
    alignment = [block_diag(*layer) for layer in zip(*speech.alignments, strict=True)]  # (S, L) of each layer
    symbols, layers = len(speech.symbols), len(alignment)
    height = max(1.7, 0.09 * symbols) if symbols <= _MAX_LABELS else 1.7
    figure = Figure(figsize=(5, 1.7 + height * layers), layout="constrained", dpi=120)
    upper, *lower = figure.subplots(1 + layers, 1, sharex=True, height_ratios=(1.5, *[height] * layers))
    extent = (0.0, seconds, 0.0, speech.sample_rate / 2000)
    upper.imshow(speech.spectra.linear[0].T, origin="lower", aspect="auto", cmap="magma", extent=extent)
    upper.set(ylabel="frequency (kHz)")
    extent = (0.0, seconds, -0.5, symbols - 0.5)
    for axis, weights in zip(lower, alignment, strict=True):
        axis.imshow(weights.T, origin="lower", aspect="auto", vmin=0, vmax=1, extent=extent)
        axis.set(ylabel="phoneme or letter")
        if symbols <= _MAX_LABELS:
            axis.set_yticks(range(symbols), [symbol.strip("/") for symbol in speech.symbols], fontsize=5)
    pauses = ", without pauses between sentences" if len(speech.alignments) > 1 else ""
    lower[-1].set(xlabel=f"time (s{pauses})")
    return figure


def draw_wave(wave: Tensor, sample_rate: int) -> Figure:
    """Plot the spectrogram of a wave (W,), over a range of 80 dB."""
    figure = Figure(figsize=(5, 1.8), layout="constrained", dpi=70)
    axis = figure.subplots()
    with np.errstate(divide="ignore"):  # log of 0 in digital silence
        power, _, _, image = axis.specgram(wave, NFFT=512, noverlap=384, Fs=sample_rate, cmap="magma")
    top = 10 * np.log10(power.max().clip(min=1e-12))
    image.set_clim(top - 80, top)
    axis.set(ylabel="kHz", xlabel="seconds")
    axis.yaxis.set_major_formatter(lambda hertz, _: f"{hertz / 1000:g}")
    return figure


def draw_speaker_table(table: Tensor, groups: Sequence[str]) -> Figure:
    """Plot embeddings (N, E) on their first two principal axes, coloured by the group of each speaker, such as its sex.

    Raises ValueError for fewer than two embeddings, or embeddings of fewer than two numbers.
    """
    if len(table) < 2 or table.shape[1] < 2:
        raise ValueError(f"an embedding table of {tuple(table.shape)} has no plane to be drawn on")
    centred = table.detach().cpu().double() - table.detach().cpu().double().mean(0)
    _, sizes, axes = linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * axes[:2].gather(1, axes[:2].abs().argmax(1, keepdim=True)).sign()  # not mirrored between steps
    points, shares = centred @ axes.T, sizes.square() / sizes.square().sum().clamp(min=1e-30)
    figure = Figure(figsize=(5, 4), layout="constrained", dpi=70)
    axis = figure.subplots()
    for group in sorted({*groups}):
        axis.plot(*points[[group == other for other in groups]].T, "o", alpha=0.6, label=group.replace("$", r"\$"))
    axis.set(xlabel=f"axis 1, {shares[0]:.0%} of the variance", ylabel=f"axis 2, {shares[1]:.0%}")
    axis.legend(fontsize="x-small")
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG file."""
    with atomic_write(path) as partial:
        figure.savefig(partial, format="png")
