"""Losses: pure functions of tensors and masks."""

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_l1(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error over real frames; (B, T, M), (B, T, M), (B, T)."""
    return _masked_mean((predicted - target).abs(), mask)


def masked_l2(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over real frames; as `masked_l1`."""
    return _masked_mean((predicted - target) ** 2, mask)


def _masked_mean(error: Tensor, mask: Tensor) -> Tensor:
    """(B, T, M), (B, T)."""
    return (error.mean(-1) * mask).sum() / mask.sum().clamp(min=1)


def guided_attention(
    alignments: Tensor, symbols: Tensor, steps: Tensor, places: Tensor, sigma: float = 0.2, known_sigma: float = 1.5
) -> Tensor:
    """Attention away from the expected symbol costs up to 1 (Tachibana et al. 2018, equation 1).

    Where `places` is NaN the diagonal is expected, with a width of `sigma` of the text; else the symbol in `places`,
    with a width of `known_sigma` symbols.

    (B, A, S, L) weights, (B,) symbols and (B,) decoder steps of each sentence, (B, S) symbols from `places_at`.
    """
    s = torch.arange(alignments.shape[2], device=alignments.device)  # (S,)
    n = torch.arange(alignments.shape[3], device=alignments.device)  # (L,)
    known = ~places[:, :1].isnan()  # (B, 1)
    expected = torch.where(known, places / symbols[:, None], s / steps[:, None])  # (B, S) shares of the text
    width = torch.where(known, 2 * (known_sigma / symbols[:, None]) ** 2, 2 * sigma**2)  # (B, 1)
    distance = n / symbols[:, None, None] - expected.unsqueeze(-1)  # (B, S, L)
    cost = 1 - torch.exp(-(distance**2) / width.unsqueeze(-1))
    real = (s < steps[:, None]).unsqueeze(-1) & (n < symbols[:, None, None])  # (B, S, L)
    weighted = (alignments * (cost * real).unsqueeze(1)).sum(-1).mean(1)  # (B, S)
    return weighted.sum() / steps.sum()


def places_at(times: Tensor, count: int, step: float) -> Tensor:
    """Which symbol, and how far on the way to the next, is being said in the middle of each of `count` decoder steps.

    (B, L) seconds at which the middle of each symbol is said, NaN in padding and throughout a text where nobody knows;
    seconds of a step -> (B, S), NaN throughout such a text.
    """
    middles = (torch.arange(count, device=times.device) + 0.5) * step  # (S,)
    last = ((~times.isnan()).sum(1, keepdim=True) - 1).clamp(min=0)  # (B, 1)
    found = torch.searchsorted(times.nan_to_num(nan=torch.inf), middles.expand(len(times), -1).contiguous())
    after = found.clamp(min=1).minimum(last)  # (B, S)
    before = (after - 1).clamp(min=0)
    earlier, later = times.gather(1, before), times.gather(1, after)
    share = ((middles - earlier) / (later - earlier).clamp(min=1e-6)).clamp(0, 1)
    return before + share * (after - before)


def last_step(logits: Tensor, steps: Tensor, behind: int = 4) -> Tensor:
    """Binary cross-entropy of "this is the last step"; (B, S), (B,).

    It also holds for the first `behind` steps of the padding, in case synthesis misses the last, but not for all of
    it: how long that is depends on who else is in the batch.
    """
    s = torch.arange(logits.shape[1], device=logits.device)  # (S,)
    target = (s >= steps[:, None] - 1).to(logits.dtype)  # (B, S)
    counted = (s < steps[:, None] + behind).to(logits.dtype)
    error = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (error * counted).sum() / counted.sum()
