"""Training of the multi-speaker generative model."""

from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from lightning_vc.losses import guided_attention, last_step, masked_l1, masked_l2, places_at
from lightning_vc.modules.acoustic import Teacherforced
from lightning_vc.modules.tts import TTSModel
from lightning_vc.tasks.base import Losses, Task
from lightning_vc.types import Spectra, TTSBatch


class TTSTask(Task):
    """Minimise the L1 of both spectrograms over model and speaker table (voice cloning paper, equation 1).

    Args:
        tts: what is trained.
        guide: weight of the guided attention loss.
        quadratic: weight of the squared error of the linear spectrogram, the cloning paper's extra term.
        voice_rate: learning rate of the speaker embeddings relative to that of the model. An embedding moves only with
            recordings of its own speaker: where most speakers have few, 1 leaves theirs near the mean. With another
            value the optimizer has two parameter groups, the embeddings second; `OneCycleLR` needs a `max_lr` for each.
        start: another model from which training starts: its weights, and the embeddings of those of its speakers who
            are among these too. The others start from their mean.

    Raises:
        ValueError: for a `voice_rate` that is not above 0, or a `start` of other sizes.
    """

    parts = ("tts",)

    def __init__(
        self,
        tts: TTSModel,
        guide: float = 1.0,
        quadratic: float = 0.0,
        voice_rate: float = 1.0,
        start: TTSModel | None = None,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=5e-4),
        scheduler: LRSchedulerCallable = lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=30000, gamma=0.95),
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters(ignore=["start"])
        if not 0 < voice_rate < torch.inf:
            raise ValueError(f"voice_rate multiplies the learning rate of the voices, above 0, got {voice_rate}")
        self.tts, self.guide, self.quadratic, self.voice_rate = tts, guide, quadratic, voice_rate
        self.learned_speakers = tts.speakers
        if start is not None:
            _initialise(tts, start)

    def parameter_groups(self) -> list[dict[str, Any]]:
        if self.voice_rate == 1:
            return super().parameter_groups()
        voices = self.tts.table.voices
        others = [parameter for parameter in self.trainable() if parameter is not voices]
        return [{"params": others}, {"params": [voices], "rate": self.voice_rate}]

    @torch.no_grad()
    def setup(self, stage: str) -> None:
        """Raise ValueError where model and spectrograms do not go together."""
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
        return tts_loss(self.tts, batch, self.tts.table(batch.speakers), self.guide, self.quadratic)


def teacher_force(tts: TTSModel, batch: TTSBatch, voice: Tensor) -> tuple[Teacherforced, Spectra, Tensor]:
    """Predictions with speaker embeddings (B, E), true spectra with T a multiple of r, and their real frames (B,)."""
    spectra, frames = tts.spectrograms(batch.waves), tts.spectrograms.frames(batch.lengths)
    padding = -spectra.mel.shape[1] % tts.model.reduction
    true = Spectra(*(F.pad(spectrum, (0, 0, 0, padding)) for spectrum in spectra))
    return tts.model(batch.text, voice, true, frames), true, frames


def tts_loss(tts: TTSModel, batch: TTSBatch, voice: Tensor, guide: float = 1.0, quadratic: float = 0.0) -> Losses:
    """The loss of utterances with speaker embeddings (B, E), whether they are learnt, adapted or predicted.

    `guide` and `quadratic` are weights, as in `TTSTask`.
    """
    output, (mel, linear), frames = teacher_force(tts, batch, voice)
    r = tts.model.reduction
    mask = torch.arange(mel.shape[1], device=mel.device) < frames.unsqueeze(1)  # (B, T)
    steps = (frames + r - 1) // r  # (B,)
    places = places_at(batch.times, mel.shape[1] // r, r * tts.spectrograms.hop / tts.spectrograms.sample_rate)
    losses = {
        "mel": masked_l1(output.spectra.mel, mel, mask),
        "linear": masked_l1(output.spectra.linear, linear, mask),
        **({} if output.done is None else {"done": last_step(output.done, steps)}),
        **output.losses,
    }
    total = sum(losses.values(), start=mel.new_zeros(()))
    losses["attention"] = guided_attention(output.alignments, (batch.text != 0).sum(1), steps, places)
    total = total + guide * losses["attention"]
    if quadratic:
        losses["quadratic"] = masked_l2(output.spectra.linear, linear, mask)
        total = total + quadratic * losses["quadratic"]
    return {"loss": total, **losses}


def _initialise(tts: TTSModel, start: TTSModel) -> None:
    """Copy the weights of `start`, and the embeddings of the speakers that both have."""
    try:
        tts.model.load_state_dict(start.model.state_dict())
    except RuntimeError as error:
        raise ValueError(f"the model to start from has other sizes than the one to train ({error})") from error
    rows = {speaker: row for row, speaker in enumerate(start.speakers)}
    with torch.no_grad():
        mean = start.table.voices.mean(0)
        for row, speaker in enumerate(tts.speakers):
            tts.table.voices[row] = start.table.voices[rows[speaker]] if speaker in rows else mean
