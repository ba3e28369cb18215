"""Training of the multi-speaker generative model."""

from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from lightning_vc.losses import guided_attention, masked_l1, masked_l2, step_positions, stop_token_loss
from lightning_vc.modules.acoustic import AcousticOutput
from lightning_vc.modules.tts import TTSModel
from lightning_vc.tasks.base import Losses, Task
from lightning_vc.types import Spectra, TTSBatch


class TTSTask(Task):
    """Train model and speaker table by the L1 of both spectrograms (voice cloning paper, equation 1).

    Args:
        tts: the generative model to train.
        attention_weight: weight of the guided attention loss.
        mse_weight: weight of the squared error of the linear spectrogram, an extra term of the cloning paper.
        speaker_lr_scale: learning rate of the speaker embeddings relative to that of the model. An embedding is updated
            only by recordings of its speaker, so with 1 the embeddings of speakers with few recordings stay near the
            mean. With another value the optimizer has two parameter groups, the embeddings second; `OneCycleLR` needs a
            `max_lr` for each group.
        init_from: a pretrained model, which gives the initial weights and the initial embeddings of its speakers. The
            embeddings of all other speakers start from the mean.

    Raises:
        ValueError: for a `speaker_lr_scale` that is not above 0, or an `init_from` of other sizes.
    """

    parts = ("tts",)

    def __init__(
        self,
        tts: TTSModel,
        attention_weight: float = 1.0,
        mse_weight: float = 0.0,
        speaker_lr_scale: float = 1.0,
        init_from: TTSModel | None = None,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=5e-4),
        scheduler: LRSchedulerCallable = lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=30000, gamma=0.95),
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters(ignore=["init_from"])
        if not 0 < speaker_lr_scale < torch.inf:
            raise ValueError(f"speaker_lr_scale must be above 0, got {speaker_lr_scale}")
        self.tts, self.learned_speakers, self.speaker_lr_scale = tts, tts.speakers, speaker_lr_scale
        self.attention_weight, self.mse_weight = attention_weight, mse_weight
        if init_from is not None:
            _initialise(tts, init_from)

    def parameter_groups(self) -> list[dict[str, Any]]:
        if self.speaker_lr_scale == 1:
            return super().parameter_groups()
        embeddings = self.tts.table.weight
        model = [parameter for parameter in self.trainable() if parameter is not embeddings]
        return [{"params": model}, {"params": [embeddings], "rate": self.speaker_lr_scale}]

    @torch.no_grad()
    def setup(self, stage: str) -> None:
        """Raise ValueError where the sizes of model and spectrograms do not fit."""
        spectrograms = self.tts.spectrograms
        samples = 20 * spectrograms.hop
        with self.device:
            text, times, row = torch.ones(1, 4, dtype=torch.long), torch.full((1, 4), torch.nan), torch.tensor([0])
            silence = TTSBatch(text, torch.zeros(1, samples), torch.tensor([samples]), times, row, ["silence"])
        try:
            tts_loss(self.tts, silence, self.tts.table(row))
        except RuntimeError as error:
            raise ValueError(
                f"{type(self.tts.model).__name__} does not predict these spectrograms ({error}): "
                f"they have n_fft {spectrograms.n_fft} and n_mels {spectrograms.n_mels}"
            ) from error

    def loss(self, batch: TTSBatch) -> Losses:
        if self.training:
            self.tts.count_lengths(batch.text)
        return tts_loss(self.tts, batch, self.tts.table(batch.speakers), self.attention_weight, self.mse_weight)


def teacher_force(tts: TTSModel, batch: TTSBatch, embedding: Tensor) -> tuple[AcousticOutput, Spectra, Tensor]:
    """Predictions with speaker embeddings (B, E), true spectra padded to a multiple of r, unpadded frames (B,)."""
    spectra, frames = tts.spectrograms(batch.waves), tts.spectrograms.frames(batch.lengths)
    padding = -spectra.mel.shape[1] % tts.model.reduction
    true = Spectra(*(F.pad(spectrum, (0, 0, 0, padding)) for spectrum in spectra))
    return tts.model(batch.text, embedding, true, frames), true, frames


def tts_loss(
    tts: TTSModel, batch: TTSBatch, embedding: Tensor, attention_weight: float = 1.0, mse_weight: float = 0.0
) -> Losses:
    """The loss of utterances with speaker embeddings (B, E), which may be learned, adapted or predicted.

    `attention_weight` and `mse_weight` are weights, as in `TTSTask`.
    """
    output, (mel, linear), frames = teacher_force(tts, batch, embedding)
    r = tts.model.reduction
    mask = torch.arange(mel.shape[1], device=mel.device) < frames.unsqueeze(1)  # (B, T)
    steps = (frames + r - 1) // r  # (B,)
    positions = step_positions(batch.times, mel.shape[1] // r, r * tts.spectrograms.hop / tts.spectrograms.sample_rate)
    losses = {
        "mel": masked_l1(output.spectra.mel, mel, mask),
        "linear": masked_l1(output.spectra.linear, linear, mask),
        **({} if output.done is None else {"done": stop_token_loss(output.done, steps)}),
        **output.losses,
    }
    total = sum(losses.values(), start=mel.new_zeros(()))
    losses["attention"] = guided_attention(output.alignments, (batch.text != 0).sum(1), steps, positions)
    total = total + attention_weight * losses["attention"]
    if mse_weight:
        losses["mse"] = masked_l2(output.spectra.linear, linear, mask)
        total = total + mse_weight * losses["mse"]
    return {"loss": total, **losses}


def _initialise(tts: TTSModel, init_from: TTSModel) -> None:
    """Copy the weights of `init_from`, and the embeddings of speakers in both models."""
    try:
        tts.model.load_state_dict(init_from.model.state_dict())
    except RuntimeError as error:
        raise ValueError(f"the model to start from has other sizes than the one to train ({error})") from error
    rows = {speaker: row for row, speaker in enumerate(init_from.speakers)}
    with torch.no_grad():
        mean = init_from.table.weight.mean(0)
        for row, speaker in enumerate(tts.speakers):
            tts.table.weight[row] = init_from.table.weight[rows[speaker]] if speaker in rows else mean
