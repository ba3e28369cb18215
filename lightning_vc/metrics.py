"""Metrics: pure functions from tensors to numbers."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_vc.audio.backend import torchaudio
from lightning_vc.text.symbols import END, LONG_PAUSE, PUNCTUATION, SHORT_PAUSE, SPACE

_FOCUS = 0.3  # of the largest weight, in the mean
_BACK = 3  # symbols
# Seconds at a symbol that is no pause, which speech hardly needs, and a sentence hardly twice. Of 1,035 sentences that
# the Deep Voice 3 of recipes/mini said well, 99 % had none of more than 0.26 s, and none had one of 0.4 s.
_STUCK, _SLOW = 0.4, 0.25
_PAUSING = {SPACE, END, SHORT_PAUSE, LONG_PAUSE, *PUNCTUATION}


def alignment_problems(alignment: Tensor, symbols: Sequence[str], seconds: float, finished: bool) -> tuple[str, ...]:
    """Attention failures of a sentence, in the layer that has fewest.

    Args:
        alignment: (A, S, L).
        symbols: the L symbols of the text.
        seconds: length of a decoder step.
        finished: whether the decoder said that it was done.
    """
    problems = min((_problems(layer, symbols, seconds) for layer in alignment), key=len)
    return tuple(problems if finished else ["the model found no end", *problems])


def _problems(layer: Tensor, symbols: Sequence[str], seconds: float) -> list[str]:
    """Failures in one layer, (S, L)."""
    place = layer.argmax(-1)  # (S,)
    problems = []
    if float(layer.amax(-1).mean()) < _FOCUS:
        problems.append("attention is blurred")
    furthest = place.cummax(0).values
    if int((furthest - place).max()) > _BACK:
        problems.append("attention went back")
    visited = torch.zeros(len(symbols) + 2, dtype=torch.bool)
    for near in range(3):
        visited[place + near] = True
    if not bool(visited[1 : len(symbols) + 1].all()):
        problems.append("something was skipped")
    stays = torch.bincount(furthest, minlength=len(symbols))  # steps that the furthest symbol was waited at
    pausing = torch.tensor([symbol in _PAUSING for symbol in symbols])
    waits = stays[~pausing] * seconds
    if bool((waits > _STUCK).any()) or int((waits > _SLOW).sum()) > max(2, 0.1 * len(waits)):
        problems.append("attention was stuck")
    return problems


def retrieval_rank(answers: Tensor, voices: Tensor, rows: Tensor) -> Tensor:
    """Mean rank of the right one (B,) among voices (K, E) by L1 distance to the predicted ones (B, E): 1 to K."""
    distance = torch.cdist(answers, voices, p=1)  # (B, K)
    own = distance.gather(1, rows[:, None])
    return 1 + (distance < own).sum(1).float().mean()


class Warp(NamedTuple):
    """Dynamic time warping of one sound to another of the same text."""

    rows: Tensor  # (P,) frames of the first
    columns: Tensor  # (P,) and those of the second that go with them
    distortion: float  # mel-cepstral, in decibels


def time_warp(first: Tensor, second: Tensor, coefficients: int = 13) -> Warp:
    """Dynamic time warping of normalised mel spectrograms (T, M), (T', M), and their mel-cepstral distortion.

    It is the RMS difference of the smoothed log spectra, as in Kubichek (1993), without coefficient 0 (loudness).
    """
    dct = torchaudio.functional.create_dct(coefficients + 1, first.shape[1], "ortho")[:, 1:].to(first)
    distance = torch.cdist(first @ dct, second @ dct)  # (T, T')
    rows, columns = _cheapest_path(distance)
    nearest = float(distance[rows, columns].mean())
    return Warp(rows, columns, 100 * nearest / math.sqrt(first.shape[1]))  # the normalised scale spans 100 dB


def pitch_error(first: Tensor, second: Tensor) -> float | None:
    """Median distance in semitones of two fundamental frequencies (P,), (P,); None where they never are both there."""
    distance = 12 * (first / second).log2().abs()
    known = distance[~distance.isnan()]
    return float(known.median()) if len(known) else None


def _cheapest_path(distance: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of the cheapest monotonic path through (T, T'), made one anti-diagonal at a time."""
    rows, columns = distance.shape
    cost = torch.full((rows + 1, columns + 1), math.inf)
    came = torch.zeros(rows + 1, columns + 1, dtype=torch.long)  # from both before, the row before, the column before
    cost[0, 0] = 0
    for diagonal in range(2, rows + columns + 1):
        i = torch.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        before = torch.stack([cost[i - 1, j - 1], cost[i - 1, j], cost[i, j - 1]])
        best, came[i, j] = before.min(0)
        cost[i, j] = best + distance[i - 1, j - 1]
    moves = came.tolist()
    row, column, path = rows, columns, []
    while row and column:
        path.append((row - 1, column - 1))
        move = moves[row][column]
        row, column = row - (move != 2), column - (move != 1)
    found = torch.tensor(path[::-1])
    return found[:, 0], found[:, 1]


def equal_error_rate(scores: Tensor, same: Tensor) -> float:
    """Error rate at the threshold where as many pairs of one speaker are refused as of two accepted; (n,), (n,).

    Scores are ranked first: torchmetrics would squash those outside of [0, 1] with a sigmoid, which makes ties.
    """
    from torchmetrics.functional.classification import binary_eer  # here: it takes a second, and synthesis needs none

    values, rank = scores.double().unique(return_inverse=True)
    return float(binary_eer(rank.double() / len(values), same.long()))


def similarity(cosines: Tensor) -> Tensor:
    """Cosines scaled to [0, 1]: torchmetrics would take a sigmoid of scores outside."""
    return ((1 + cosines) / 2).clamp(0, 1)
