"""speechbrain's generator of HiFi-GAN as a vocoder of ours."""

import math
from collections.abc import Sequence

import lightning_vc.audio.backend  # noqa: F401  # before speechbrain, which imports torchaudio
from lightning_vc.modules.vocoder import MelVocoder, centred

from speechbrain.lobes.models.HifiGAN import HifiganGenerator  # isort: skip
import torch.nn.functional as F  # isort: skip
from torch import Tensor  # isort: skip

_SHORTEST = 8  # frames


class HiFiGAN(MelVocoder):
    """speechbrain's generator of HiFi-GAN (Kong et al. 2020); defaults: its version V1, for a hop of 256 samples.

    Args:
        n_mels: bands of the spectrogram.
        hop: of the spectrogram; `factors` multiply to it, or ValueError is raised.
        factors: how many times as fast each stage is, whose filters are twice as long.
        channels: of the first stage, half as many in each that follows.
        kernels: of the residual blocks of each stage.
        dilations: of their layers.
        block: "1", with a layer behind each that is dilated, or the smaller "2".
    """

    def __init__(
        self,
        n_mels: int = 80,
        hop: int = 256,
        factors: Sequence[int] = (8, 8, 2, 2),
        channels: int = 512,
        kernels: Sequence[int] = (3, 7, 11),
        dilations: Sequence[int] = (1, 3, 5),
        block: str = "1",
    ) -> None:
        super().__init__()
        if math.prod(factors) != hop:
            raise ValueError(f"factors {tuple(factors)} multiply to {math.prod(factors)}, not to the hop of {hop}")
        if len(dilations) != {"1": 3, "2": 2}.get(block):
            raise ValueError(f"block 1 has three dilations and block 2 two, got block {block} and {tuple(dilations)}")
        self.hop = hop
        self.network = HifiganGenerator(
            n_mels,
            1,
            block,
            [list(dilations)] * len(kernels),
            list(kernels),
            [2 * factor for factor in factors],
            channels,
            list(factors),
        )
        reach = max(kernels) // 2 * (sum(dilations) + (len(dilations) if block == "1" else 0))  # samples of one stage
        rates = [math.prod(factors[: stage + 1]) for stage in range(len(factors))]  # samples of each in a frame
        self.context = 3 + 1 + math.ceil(sum((reach + 2) / rate for rate in rates))

    def forward(self, mels: Tensor) -> Tensor:
        """(B, T, M) -> (B, W)."""
        samples, half = (mels.shape[1] - 1) * self.hop, self.hop // 2
        mels = F.pad(centred(mels).mT, (0, max(0, _SHORTEST - mels.shape[1])), "replicate")  # its layers mirror ends
        made: Tensor = self.network(mels).squeeze(1)  # (B, T * hop), a frame's samples behind it
        return made[:, half : half + samples].float()
