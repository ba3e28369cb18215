"""What acoustic models are asked in tests."""

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lightning_vc.types import Spectra


def batch() -> tuple[Tensor, Tensor, Spectra, Tensor]:
    """Two texts, their voices, true spectra, and how many frames of these are real."""
    torch.manual_seed(1)
    texts = [torch.randint(2, 40, (length,)) for length in (9, 6)]
    true = Spectra(torch.rand(2, 20, 10), torch.rand(2, 20, 9))
    return pad_sequence(texts, batch_first=True), torch.randn(2, 4), true, torch.tensor([20, 14])
