"""Pictures of speech."""

from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor, block_diag

from lightning_vc.files import atomic_write
from lightning_vc.types import Speech


def draw_speech(speech: Speech) -> Figure:
    """Its linear spectrogram, and below it the attention of each layer that attends."""
    alignment = [block_diag(*layer) for layer in zip(*speech.alignments, strict=True)]  # (S, L) of each layer
    layers, symbols = len(alignment), len(speech.symbols)
    figure = Figure(figsize=(5, 1.8 + 1.6 * layers), layout="constrained", dpi=70)
    axes = figure.subplots(1 + layers, 1, squeeze=False)[:, 0]
    axes[0].imshow(speech.spectra.linear[0].T, origin="lower", aspect="auto", cmap="magma")
    axes[0].set(ylabel="bin", xlabel="frame")
    for axis, weights in zip(axes[1:], alignment, strict=True):
        axis.imshow(weights.T, origin="lower", aspect="auto", vmin=0, vmax=1)
        axis.set(ylabel="symbol", xlabel="decoder step", ylim=(-0.5, symbols - 0.5))
    return figure


def draw_spectrum(linear: Tensor) -> Figure:
    """A linear spectrogram (T, F)."""
    figure = Figure(figsize=(5, 1.8), layout="constrained", dpi=70)
    axis = figure.subplots()
    axis.imshow(linear.T, origin="lower", aspect="auto", cmap="magma")
    axis.set(ylabel="bin", xlabel="frame")
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG file."""
    with atomic_write(path) as partial:
        figure.savefig(partial, format="png")
