"""Plots of speech."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor, block_diag

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


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG file."""
    with atomic_write(path) as partial:
        figure.savefig(partial, format="png")
