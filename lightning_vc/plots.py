"""Plots of speech and of speaker embeddings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor, block_diag, linalg

from lightning_vc.files import atomic_write
from lightning_vc.speech import Speech


def draw_speech(speech: Speech) -> Figure:
    """Plot the linear spectrogram, and below it the weights of each attention layer."""
    alignment = [block_diag(*layer) for layer in zip(*speech.alignments, strict=True)]  # (S, L) of each layer
    layers, symbols = len(alignment), len(speech.symbols)
    figure = Figure(figsize=(5, 1.8 + 1.6 * layers), layout="constrained", dpi=70)
    axes = figure.subplots(1 + layers, 1, squeeze=False)[:, 0]
    extent = (0, len(speech.wave) / speech.sample_rate, 0, speech.sample_rate / 2000)
    axes[0].imshow(speech.spectra.linear[0].T, origin="lower", aspect="auto", cmap="magma", extent=extent)
    axes[0].set(ylabel="kHz", xlabel="seconds")
    for axis, weights in zip(axes[1:], alignment, strict=True):
        axis.imshow(weights.T, origin="lower", aspect="auto", vmin=0, vmax=1)
        axis.set(ylabel="symbol", xlabel="decoder step", ylim=(-0.5, symbols - 0.5))
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
