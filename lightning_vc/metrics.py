"""Metrics: pure functions from tensors to numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_vc.text.symbols import END, LONG_PAUSE, PUNCTUATION, SHORT_PAUSE, SPACE

_FOCUS = 0.3  # least mean over the steps of the largest attention weight
_BACK = 3  # symbols that attention may go back
# Attention failures by seconds at a symbol that is not a pause: once above _STUCK, or repeatedly above _SLOW. In 1,035
# correct sentences of the Deep Voice 3 of recipes/mini, 99 % had no symbol above 0.26 s, and none had one above 0.4 s.
_STUCK, _SLOW = 0.4, 0.25
_PAUSE_SYMBOLS = {SPACE, END, SHORT_PAUSE, LONG_PAUSE, *PUNCTUATION}


def alignment_problems(alignment: Tensor, symbols: Sequence[str], seconds: float, finished: bool) -> tuple[str, ...]:
    """Attention failures of a sentence, in the layer with the fewest.

    Args:
        alignment: attention weights (A, S, L).
        symbols: the L symbols of the text.
        seconds: length of a decoder step.
        finished: whether the decoder predicted the last step.
    """
    problems = min((_problems(layer, symbols, seconds) for layer in alignment), key=len)
    return tuple(problems if finished else ["the model found no end", *problems])


def _problems(layer: Tensor, symbols: Sequence[str], seconds: float) -> list[str]:
    """Attention failures of one layer, (S, L)."""
    position = layer.argmax(-1)  # (S,)
    problems = []
    if float(layer.amax(-1).mean()) < _FOCUS:
        problems.append("attention is blurred")
    furthest = position.cummax(0).values
    if int((furthest - position).max()) > _BACK:
        problems.append("attention went back")
    visited = torch.zeros(len(symbols) + 2, dtype=torch.bool)
    for offset in range(3):  # the symbol and its neighbours
        visited[position + offset] = True
    if not bool(visited[1 : len(symbols) + 1].all()):
        problems.append("something was skipped")
    stays = torch.bincount(furthest, minlength=len(symbols))  # steps with each symbol as the furthest
    is_pause = torch.tensor([symbol in _PAUSE_SYMBOLS for symbol in symbols])
    waits = stays[~is_pause] * seconds
    if bool((waits > _STUCK).any()) or int((waits > _SLOW).sum()) > max(2, 0.1 * len(waits)):
        problems.append("attention was stuck")
    return problems


def retrieval_rank(predicted: Tensor, embeddings: Tensor, rows: Tensor) -> Tensor:
    """Mean rank (1 to K) of the correct row (B,) of embeddings (K, E) by L1 distance to the predicted ones (B, E)."""
    distance = torch.cdist(predicted, embeddings, p=1)  # (B, K)
    distance_to_correct = distance.gather(1, rows[:, None])
    return 1 + (distance < distance_to_correct).sum(1).float().mean()


def equal_error_rate(scores: Tensor, same: Tensor) -> float:
    """Error rate at the threshold where false rejection and false acceptance rates are equal; (n,), (n,).

    Scores are ranked first: torchmetrics would apply a sigmoid to scores outside [0, 1], which makes ties.
    """
    from torchmetrics.functional.classification import binary_eer  # here: a slow import that synthesis does not need

    values, rank = scores.double().unique(return_inverse=True)
    return float(binary_eer(rank.double() / len(values), same.long()))


def to_unit_interval(cosines: Tensor) -> Tensor:
    """Cosines scaled to [0, 1]: torchmetrics would apply a sigmoid to scores outside."""
    return ((1 + cosines) / 2).clamp(0, 1)
