"""Metrics: pure functions from tensors to numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor

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


def retrieval_rank(predicted: Tensor, embeddings: Tensor, rows: Tensor) -> Tensor:
    """Mean rank (1 to K) of the right row (B,) of embeddings (K, E) by L1 distance to the predicted ones (B, E)."""
    distance = torch.cdist(predicted, embeddings, p=1)  # (B, K)
    own = distance.gather(1, rows[:, None])
    return 1 + (distance < own).sum(1).float().mean()


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
