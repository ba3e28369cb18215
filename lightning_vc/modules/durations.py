"""Alignment of symbols and frames: learned in training, predicted as durations at synthesis."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.text.symbols import SYMBOLS

_SHARPNESS = 10.0  # initial scale of the scores
_WIDTH = 0.1  # standard deviation of the diagonal prior, as a share of the text


class Aligner(nn.Module):
    """Probability of each symbol in each frame, independent of the speaker (Badlani et al. 2022, section 2.1).

    Scores are scaled cosines plus a diagonal prior.
    """

    def __init__(self, n_mels: int = 80, hidden: int = 128, n_symbols: int = len(SYMBOLS)) -> None:
        super().__init__()
        self.embed = nn.Embedding(n_symbols, hidden, padding_idx=0)
        self.symbols = nn.Sequential(nn.Conv1d(hidden, hidden, 3, padding=1), nn.ReLU(), nn.Conv1d(hidden, hidden, 1))
        self.frames = nn.Sequential(nn.Conv1d(n_mels, hidden, 5, padding=2), nn.ReLU(), nn.Conv1d(hidden, hidden, 1))
        self.sharpness = nn.Parameter(torch.tensor(_SHARPNESS))

    def forward(self, text: Tensor, mel: Tensor, n_frames: Tensor) -> Tensor:
        """Symbols (B, L) padded with 0, frames (B, T, M), number of frames without padding (B,).

        Returns log probabilities (B, T, L), minus infinity for padding.
        """
        keys = F.normalize(self.symbols(self.embed(text).mT).float(), dim=1)  # (B, h, L)
        queries = F.normalize(self.frames(4 * mel.mT - 2).float(), dim=1)  # (B, h, T); input scaled to about 0
        scores = self.sharpness * (queries.mT @ keys) + _diagonal(mel.shape[1], text, n_frames)
        return scores.masked_fill((text == 0).unsqueeze(1), float("-inf")).log_softmax(-1)


def _diagonal(count: int, text: Tensor, n_frames: Tensor) -> Tensor:
    """Log prior of each symbol in each of `count` frames (B, T, L)."""
    frame = torch.arange(count, device=text.device) / n_frames.unsqueeze(1)  # (B, T), relative time
    symbol = torch.arange(text.shape[1], device=text.device) / (text != 0).sum(1, keepdim=True)  # (B, L), position
    return -((frame.unsqueeze(2) - symbol.unsqueeze(1)) ** 2) / (2 * _WIDTH**2)


def best_path(scores: Tensor, symbols: Tensor, frames: Tensor) -> Tensor:
    """Monotonic alignment search (Kim et al. 2020, section 3.1).

    Log probabilities (B, T, L), (B,) symbols and (B,) frames without padding -> the symbol of each frame (B, T); in
    padding, the last symbol. Where a text has more symbols than frames, its first symbols get none.
    """
    logs = scores.detach().float().cpu().numpy()  # NumPy is faster in a loop over frames on arrays this small
    batch, count, length = logs.shape
    rows = np.arange(batch)
    best = np.full((batch, length + 1), -np.inf, np.float32)  # column 0 stands for the time before the text
    best[:, 1] = logs[:, 0, 0]
    advanced = np.zeros((count, batch, length), bool)
    for t in range(1, count):
        advanced[t] = best[:, :-1] > best[:, 1:]
        best[:, 1:] = np.maximum(best[:, :-1], best[:, 1:]) + logs[:, t]
    last, ends = symbols.cpu().numpy() - 1, frames.cpu().numpy() - 1
    path, position = np.empty((batch, count), np.int64), last.copy()
    for t in range(count - 1, -1, -1):
        path[:, t] = position
        back = (t <= ends) & (advanced[t, rows, position] | (position > t - 1)) & (position > 0)
        position = np.where(back, position - 1, position)
    return torch.from_numpy(path).to(scores.device)


def forward_sum(scores: Tensor, symbols: Tensor, frames: Tensor, blank: float = -1.0) -> Tensor:
    """Negative log likelihood of all monotonic alignments, per symbol (Badlani et al. 2022, equation 1).

    Log probabilities (B, T, L), (B,) symbols, (B,) frames; `blank` is the logit of a frame without a symbol.
    """
    logits = F.pad(scores, (1, 0), value=blank)  # CTC's blank is number 0
    logs = logits.log_softmax(-1).clamp(min=-1e4).transpose(0, 1)  # (T, B, 1 + L); an infinite one has no gradient
    targets = torch.arange(1, scores.shape[2] + 1, device=scores.device).expand(len(scores), -1)
    return F.ctc_loss(logs, targets, frames, symbols, zero_infinity=True)


def symbols_of_frames(ends: Tensor, times: Tensor) -> Tensor:
    """Frames (B, L) at which symbols end, indices of frames (T,) -> the symbol of each frame (B, T).

    Frames after the end of a text have its last symbol.
    """
    passed = ends.unsqueeze(1) <= times.unsqueeze(1)  # (B, T, L); `searchsorted` has no ONNX operator
    return passed.sum(-1).clamp(max=ends.shape[1] - 1)
