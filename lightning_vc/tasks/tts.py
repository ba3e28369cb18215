"""Multi-speaker text to speech: the generative model and the voices of its speakers."""

from dataclasses import asdict
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.sharpening import Sharpening
from lightning_vc.audio.vocoder import GriffinLim
from lightning_vc.checkpoint import field
from lightning_vc.losses import guided_attention, last_step, masked_l1, masked_l2, places_at
from lightning_vc.modules.acoustic import AcousticModel
from lightning_vc.modules.speakers import SpeakerTable
from lightning_vc.tasks.base import Losses, Task
from lightning_vc.text.frontend import Frontend
from lightning_vc.types import Spectra, TTSBatch

_LENGTHS = 1024  # symbols of the longest text that is told from longer ones


class TTSTask(Task):
    """Minimise the L1 of both spectrograms over model and speaker table (voice cloning paper, equation 1).

    Args:
        model: text and voice to spectrograms.
        spectrograms: what the model predicts.
        frontend: how a text is spelt for the model.
        speakers: ids of the rows of the speaker table; recipes link them from the data.
        guide: weight of the guided attention loss.
        quadratic: weight of the squared error of the linear spectrogram, the cloning paper's extra term.
        voice_scale: voices are uniform in ± this at first.
        voice_rate: learning rate of the voices, in parts of the others'. A voice moves only with its own speaker's
            recordings: where most speakers have few, 1 leaves theirs near the mean. The optimizer gets two groups of
            parameters then, the voices second; `OneCycleLR` needs a `max_lr` for each.
        power, contrast, denoise: the `Sharpening` that suits what the model says, before Griffin-Lim.
        adapted: those of the three that are others for what an adapted model says: it has learnt the noise of a few
            recordings.
        start: checkpoint of another `TTSTask` that training goes on from: its model, and the voices of those of its
            speakers who are among these too. Read when training starts, not when reloading.

    Raises:
        ValueError: for a `voice_rate` that is not above 0.
    """

    def __init__(
        self,
        model: AcousticModel,
        spectrograms: Spectrograms,
        frontend: Frontend,
        speakers: list[str],
        guide: float = 1.0,
        quadratic: float = 0.0,
        voice_scale: float = 0.1,
        voice_rate: float = 1.0,
        power: float = 1.4,
        contrast: float = 1.0,
        denoise: float = 0.0,
        adapted: dict[str, float] | None = None,
        start: str | None = None,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=5e-4),
        scheduler: LRSchedulerCallable = lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=30000, gamma=0.95),
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters()
        if not 0 < voice_rate < torch.inf:
            raise ValueError(f"voice_rate multiplies the learning rate of the voices, above 0, got {voice_rate}")
        self.model, self.spectrograms, self.frontend, self.speakers = model, spectrograms, frontend, speakers
        self.table = SpeakerTable(len(speakers), model.voice_dim, voice_scale)
        self.lengths: Tensor
        # Texts learnt from, by their symbols. It is no weight: it goes into checkpoints, but not into the fingerprint.
        self.register_buffer("lengths", torch.zeros(_LENGTHS, dtype=torch.long), persistent=False)
        self.voice_rate = voice_rate
        self.guide, self.quadratic = guide, quadratic
        self.sharpening = Sharpening(power, contrast, denoise)
        self.sharpening_of_adapted = self.sharpening.otherwise(adapted or {})
        self.start, self.started = start, False

    def configure_model(self) -> None:
        """Begin where another model has ended; raises what `TTSTask.load` raises, and ValueError for other sizes."""
        super().configure_model()
        trainer = self._trainer
        fresh = trainer is not None and trainer.state.fn == TrainerFn.FITTING and trainer.ckpt_path is None
        if self.start is None or self.started or not fresh:
            return
        other, self.started = TTSTask.load(self.start), True
        try:
            self.model.load_state_dict(other.model.state_dict())
        except RuntimeError as error:
            raise ValueError(f"{self.start} is a model of other sizes than the one to train ({error})") from error
        rows = {speaker: row for row, speaker in enumerate(other.speakers)}
        known = [(row, rows[speaker]) for row, speaker in enumerate(self.speakers) if speaker in rows]
        with torch.no_grad():
            self.table.voices[:] = other.table.voices.mean(0)  # who is new begins as anybody
            for own, theirs in known:
                self.table.voices[own] = other.table.voices[theirs]

    def learned_speakers(self) -> list[str]:
        return self.speakers

    def parameter_groups(self) -> list[dict[str, Any]]:
        if self.voice_rate == 1:
            return super().parameter_groups()
        voices = self.table.voices
        others = [parameter for parameter in self.trainable() if parameter is not voices]
        return [{"params": others}, {"params": [voices], "rate": self.voice_rate}]

    @torch.no_grad()
    def setup(self, stage: str) -> None:
        """Raise ValueError where model and spectrograms do not go together."""
        hop, device = self.spectrograms.hop, self.device
        silence = TTSBatch(
            text=torch.ones(1, 4, dtype=torch.long, device=device),
            waves=torch.zeros(1, 20 * hop, device=device),
            lengths=torch.tensor([20 * hop], device=device),
            times=torch.full((1, 4), torch.nan, device=device),
            speakers=torch.zeros(1, dtype=torch.long, device=device),
            ids=["silence"],
        )
        try:
            self.loss_of(silence, self.table(silence.speakers))
        except RuntimeError as error:
            raise ValueError(
                f"{type(self.model).__name__} does not predict these spectrograms ({error}): "
                f"they have n_fft {self.spectrograms.n_fft} and n_mels {self.spectrograms.n_mels}"
            ) from error

    @property
    def longest(self) -> int:
        """Symbols that 95 % of the texts it has learnt from do not exceed; 150 where it has not learnt yet.

        Attention gets lost in longer ones, so synthesis cuts them.
        """
        upto = self.lengths.cumsum(0)
        return int((upto < 0.95 * upto[-1]).sum()) if upto[-1] else 150

    def griffin_lim(self, adapted: bool = False) -> GriffinLim:
        """The vocoder that needs no training, with the settings that suit this model, or one that was adapted."""
        return GriffinLim(self.spectrograms, **asdict(self.sharpening_of_adapted if adapted else self.sharpening))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["lengths"] = self.lengths.cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        if "lengths" not in checkpoint:  # a checkpoint from elsewhere
            return
        lengths = field(checkpoint, "lengths", Tensor, self.source)
        if lengths.shape != self.lengths.shape or lengths.dtype != torch.long or (lengths < 0).any():
            raise ValueError(f"{self.source}: lengths are no counts of texts of up to {_LENGTHS} symbols")
        self.lengths.copy_(lengths)

    def loss(self, batch: TTSBatch) -> Losses:
        if self.training:
            lengths = (batch.text != 0).sum(1).clamp(max=_LENGTHS - 1)
            self.lengths.index_add_(0, lengths, torch.ones_like(lengths))
        return self.loss_of(batch, self.table(batch.speakers))

    def loss_of(self, batch: TTSBatch, voice: Tensor) -> Losses:
        """The loss of these utterances said by these voices, (B, E), wherever the voices come from."""
        spectra = self.spectrograms(batch.waves)
        frames = self.spectrograms.frames(batch.lengths)  # (B,)
        r = self.model.reduction
        padding = -spectra.mel.shape[1] % r
        mel, linear = (F.pad(spectrum, (0, 0, 0, padding)) for spectrum in spectra)
        mask = torch.arange(mel.shape[1], device=mel.device) < frames.unsqueeze(1)  # (B, T)
        steps = (frames + r - 1) // r  # (B,)
        said = self.model(batch.text, voice, Spectra(mel, linear), frames)
        places = places_at(batch.times, mel.shape[1] // r, r * self.spectrograms.hop / self.spectrograms.sample_rate)
        losses = {
            "mel": masked_l1(said.spectra.mel, mel, mask),
            "linear": masked_l1(said.spectra.linear, linear, mask),
            **({} if said.done is None else {"done": last_step(said.done, steps)}),
            **said.losses,
        }
        total = sum(losses.values(), start=mel.new_zeros(()))
        losses["attention"] = guided_attention(said.alignments, (batch.text != 0).sum(1), steps, places)
        total = total + self.guide * losses["attention"]
        if self.quadratic:
            losses["quadratic"] = masked_l2(said.spectra.linear, linear, mask)
            total = total + self.quadratic * losses["quadratic"]
        return {"loss": total, **losses}
