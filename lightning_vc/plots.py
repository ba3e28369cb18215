"""Plots of speech and of speaker embeddings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor, block_diag, linalg

from lightning_vc.files import atomic_write
from lightning_vc.speech import Speech

_MAX_LABELS = 45  # symbols that are named in a plot
_MARKERS = ".os*"  # of kinds of embeddings


def draw_speech(speech: Speech, hop: int) -> Figure:
    """Plot the linear spectrogram, and below it which symbol is spoken when, in each attention layer.

    Args:
        speech: of one segment or several; the pauses between segments are not plotted.
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


def draw_embeddings(rows: Tensor, traits: Mapping[str, Sequence[str]], kinds: Sequence[str] = ()) -> Figure:
    """Plot embeddings (N, E) on two principal axes, once for each trait, whose values are colours.

    Kinds are markers; the axes are those of the embeddings of the first kind. The largest component of an axis is
    positive, so that figures are not mirrored between steps or runs. Raises ValueError for fewer than two embeddings or
    numbers.
    """
    kinds, rows = kinds or [""] * len(rows), rows.detach().cpu().double()
    first = rows[[kind == kinds[0] for kind in kinds]]
    if len(first) < 2 or rows.shape[1] < 2:
        raise ValueError(f"{len(first)} embeddings of {rows.shape[1]} numbers span no plane to be drawn on")
    _, sizes, axes = linalg.svd(first - first.mean(0), full_matrices=False)
    axes = axes[:2] * axes[:2].gather(1, axes[:2].abs().argmax(1, keepdim=True)).sign()
    points, shares = (rows - first.mean(0)) @ axes.T, sizes.square() / sizes.square().sum().clamp(min=1e-30)
    figure = Figure(figsize=(6 * len(traits), 4.5), layout="constrained", dpi=80)
    for plot, (trait, values) in zip(figure.subplots(1, len(traits), squeeze=False)[0], traits.items(), strict=True):
        for number, value in enumerate(sorted({*values})):
            for kind, marker in zip(dict.fromkeys(kinds), _MARKERS, strict=False):
                group = points[[(kind, value) == pair for pair in zip(kinds, values, strict=True)]]
                if len(group):
                    label = (f"{value}, {kind}" if kind else value).replace("$", r"\$")
                    plot.plot(*group.T, marker, color=f"C{number}", alpha=0.5, markersize=8, label=label)
        plot.set(title=trait, xlabel=f"axis 1, {shares[0]:.0%} of the variance", ylabel=f"axis 2, {shares[1]:.0%}")
        plot.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG file."""
    with atomic_write(path) as partial:
        figure.savefig(partial, format="png")
