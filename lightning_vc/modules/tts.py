"""The multi-speaker generative model: what is trained, saved, shipped and loaded as one."""

from copy import copy

import torch
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.post_filter import PostFilter
from lightning_vc.audio.vocoder import GriffinLim, NeuralVocoder
from lightning_vc.modules.acoustic import AcousticModel
from lightning_vc.text.frontend import Frontend

_LENGTHS = 1024  # symbols of the longest text that is told from longer ones
_UNTRAINED_LENGTH = 150  # symbols
DEEP_VOICE_3 = PostFilter(power=1.4)  # its appendix


class SpeakerTable(nn.Embedding):
    """One learned embedding per training speaker, (B,) -> (B, E), initially uniform in ±`scale` (Deep Voice 3).

    The initial values are noise that no recording contains: with a small scale, a speaker encoder learns to predict the
    embeddings more easily.
    """

    def __init__(self, n_speakers: int, speaker_dim: int = 512, scale: float = 0.1) -> None:
        super().__init__(n_speakers, speaker_dim)
        nn.init.uniform_(self.weight, -scale, scale)


class TTSModel(nn.Module):
    """An acoustic model with the speaker embeddings, the spectrograms and the text frontend that belong to it.

    Args:
        model: text and speaker embedding to spectrograms.
        spectrograms: the settings of what the model predicts.
        frontend: how a text is spelt for the model.
        speakers: ids of the rows of the speaker table; recipes link them from the data.
        speaker_init_scale: speaker embeddings are uniform in ± this at first.
        post_filter: for predicted spectrograms before Griffin-Lim.
        adapted_post_filter: the same for an adapted model, which has learnt the noise of a few recordings; without it,
            `post_filter`.
    """

    def __init__(
        self,
        model: AcousticModel,
        spectrograms: Spectrograms,
        frontend: Frontend,
        speakers: list[str],
        speaker_init_scale: float = 0.1,
        post_filter: PostFilter = DEEP_VOICE_3,
        adapted_post_filter: PostFilter | None = None,
    ) -> None:
        super().__init__()
        self.model, self.spectrograms, self.frontend, self.speakers = model, spectrograms, frontend, speakers
        self.post_filter, self.adapted_post_filter = post_filter, adapted_post_filter or post_filter
        self.table = SpeakerTable(len(speakers), model.speaker_dim, speaker_init_scale)
        self.lengths: Tensor  # counts of the texts trained on, by number of symbols
        self.register_buffer("lengths", torch.zeros(_LENGTHS, dtype=torch.long))

    @property
    def longest(self) -> int:
        """Symbols that 95 % of the texts trained on do not exceed; 150 for an untrained model.

        Attention fails on longer ones, so synthesis cuts them.
        """
        upto = self.lengths.cumsum(0)
        return int((upto < 0.95 * upto[-1]).sum()) if upto[-1] else _UNTRAINED_LENGTH

    def count_lengths(self, text: Tensor) -> None:
        """Count the texts (B, L) of a training step by their number of symbols."""
        lengths = (text != 0).sum(1).clamp(max=_LENGTHS - 1)
        self.lengths.index_add_(0, lengths, torch.ones_like(lengths))

    def with_model(self, model: AcousticModel) -> "TTSModel":
        """Return the same with another acoustic model, such as an adapted copy."""
        other = copy(self)
        other._modules = {**self._modules, "model": model}
        return other

    def griffin_lim(self) -> GriffinLim:
        """The vocoder that needs no training."""
        return GriffinLim(self.spectrograms)


def check_spectrograms(vocoder: NeuralVocoder, tts: TTSModel, source: str = "the vocoder") -> None:
    """Raise ValueError for a vocoder of other spectrograms than a generative model predicts."""
    own, needed = vocoder.spectrograms.settings, tts.spectrograms.settings
    if other := [name for name, value in own.items() if needed[name] != value]:
        pairs = [", ".join(f"{name} {settings[name]}" for name in other) for settings in (own, needed)]
        raise ValueError(
            f"{source} was trained with spectrograms of {pairs[0]}, the TTS model predicts those of {pairs[1]}: "
            "train a vocoder with those"
        )
