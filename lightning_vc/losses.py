"""Losses: pure functions of tensors and masks."""

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_l1(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute error over the frames in `mask`; (B, T, M), (B, T, M), (B, T)."""
    return _masked_mean((predicted - target).abs(), mask)


def masked_l2(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over the frames in `mask`; shapes as in `masked_l1`."""
    return _masked_mean((predicted - target) ** 2, mask)


def _masked_mean(error: Tensor, mask: Tensor) -> Tensor:
    """Mean over the frames in `mask`; (B, T, M), (B, T)."""
    return (error.mean(-1) * mask).sum() / mask.sum().clamp(min=1)


def guided_attention(
    alignments: Tensor,
    symbols: Tensor,
    steps: Tensor,
    positions: Tensor,
    sigma: float = 0.2,
    aligned_sigma: float = 1.5,
) -> Tensor:
    """Guided attention loss (Tachibana et al. 2018, equation 1): weights far from the expected symbol cost up to 1.

    The expected symbols are `positions`, with a width of `aligned_sigma` symbols. A text whose positions are NaN uses
    the diagonal, with a width of `sigma` times the length of the text.

    (B, A, S, L) weights, (B,) symbols and (B,) decoder steps of each sentence, (B, S) symbols from `step_positions`.
    """
    s = torch.arange(alignments.shape[2], device=alignments.device)  # (S,)
    n = torch.arange(alignments.shape[3], device=alignments.device)  # (L,)
    aligned = ~positions[:, :1].isnan()  # (B, 1)
    expected = torch.where(aligned, positions / symbols[:, None], s / steps[:, None])  # (B, S) as shares of the text
    width = torch.where(aligned, 2 * (aligned_sigma / symbols[:, None]) ** 2, 2 * sigma**2)  # (B, 1)
    distance = n / symbols[:, None, None] - expected.unsqueeze(-1)  # (B, S, L)
    cost = 1 - torch.exp(-(distance**2) / width.unsqueeze(-1))
    mask = (s < steps[:, None]).unsqueeze(-1) & (n < symbols[:, None, None])  # (B, S, L)
    weighted = (alignments * (cost * mask).unsqueeze(1)).sum(-1).mean(1)  # (B, S)
    return weighted.sum() / steps.sum()


def step_positions(times: Tensor, count: int, step: float) -> Tensor:
    """Fractional index of the symbol at the middle of each of `count` decoder steps, interpolated between symbols.

    (B, L) times in seconds of the middle of each symbol, NaN in padding and in texts without alignment; seconds of a
    step -> (B, S), NaN in texts without alignment.
    """
    middles = (torch.arange(count, device=times.device) + 0.5) * step  # (S,)
    last = ((~times.isnan()).sum(1, keepdim=True) - 1).clamp(min=0)  # (B, 1)
    insertion = torch.searchsorted(times.nan_to_num(nan=torch.inf), middles.expand(len(times), -1).contiguous())
    after = insertion.clamp(min=1).minimum(last)  # (B, S)
    before = (after - 1).clamp(min=0)
    earlier, later = times.gather(1, before), times.gather(1, after)
    share = ((middles - earlier) / (later - earlier).clamp(min=1e-6)).clamp(0, 1)
    return before + share * (after - before)


def stop_token_loss(logits: Tensor, steps: Tensor, behind: int = 4) -> Tensor:
    """Binary cross-entropy of the prediction of the last step; (B, S), (B,).

    The first `behind` steps of padding also count as last steps, because synthesis may miss the last one. Further
    padding is ignored, because its length depends on the batch.
    """
    s = torch.arange(logits.shape[1], device=logits.device)  # (S,)
    target = (s >= steps[:, None] - 1).to(logits.dtype)  # (B, S)
    weight = (s < steps[:, None] + behind).to(logits.dtype)
    error = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (error * weight).sum() / weight.sum()
