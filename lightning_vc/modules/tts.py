"""The multi-speaker generative model, which is trained, saved, shipped and loaded as one module."""

from copy import copy

import torch
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.post_filter import PostFilter
from lightning_vc.audio.vocoder import GriffinLim, NeuralVocoder
from lightning_vc.modules.acoustic import AcousticModel
from lightning_vc.text.frontend import Frontend

_LENGTHS = 1024  # bins of the histogram of text lengths; the last one counts all longer texts
_UNTRAINED_LENGTH = 150  # symbols
DEEP_VOICE_3 = PostFilter(power=1.4)  # its appendix


class SpeakerTable(nn.Embedding):
    """One learned embedding per training speaker, (B,) -> (B, E), initially uniform in ±`scale` (Deep Voice 3).

    The initial values are noise that a speaker encoder cannot predict; a small scale makes the embeddings easier to
    predict.
    """

    def __init__(self, n_speakers: int, speaker_dim: int = 512, scale: float = 0.1) -> None:
        super().__init__(n_speakers, speaker_dim)
        nn.init.uniform_(self.weight, -scale, scale)


class TTSModel(nn.Module):
    """An acoustic model with its speaker table, spectrogram settings and text frontend.

    Args:
        model: text and speaker embedding to spectrograms.
        spectrograms: settings of the spectrograms that the model predicts.
        frontend: text to symbols.
        speakers: ids of the rows of the speaker table; recipes link them from the data.
        speaker_init_scale: bound of the uniform initial values of the speaker table.
        post_filter: for predicted spectrograms before Griffin-Lim.
        adapted_post_filter: the same for adapted models, which reproduce the noise of the clips; by default
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
        rate = getattr(model, "sample_rate", spectrograms.sample_rate)  # only some acoustic models need it
        if rate != spectrograms.sample_rate:
            raise ValueError(
                f"the acoustic model has a sample_rate of {rate}, its spectrograms of {spectrograms.sample_rate}: give "
                "both the same"
            )
        self.model, self.spectrograms, self.frontend, self.speakers = model, spectrograms, frontend, speakers
        self.post_filter, self.adapted_post_filter = post_filter, adapted_post_filter or post_filter
        self.table = SpeakerTable(len(speakers), model.speaker_dim, speaker_init_scale)
        self.lengths: Tensor  # histogram of the lengths of the training texts
        self.register_buffer("lengths", torch.zeros(_LENGTHS, dtype=torch.long))

    @property
    def max_symbols(self) -> int:
        """The 95th percentile of the lengths of the training texts in symbols; 150 for an untrained model.

        Attention fails on longer texts, so synthesis splits them.
        """
        cumulative = self.lengths.cumsum(0)
        return int((cumulative < 0.95 * cumulative[-1]).sum()) if cumulative[-1] else _UNTRAINED_LENGTH

    def count_lengths(self, text: Tensor) -> None:
        """Count the texts (B, L) of a training step by their number of symbols."""
        lengths = (text != 0).sum(1).clamp(max=_LENGTHS - 1)
        self.lengths.index_add_(0, lengths, torch.ones_like(lengths))

    def with_model(self, model: AcousticModel) -> "TTSModel":
        """Return a shallow copy with another acoustic model, such as an adapted one."""
        result = copy(self)
        result._modules = {**self._modules, "model": model}
        return result

    def griffin_lim(self) -> GriffinLim:
        """The vocoder that needs no training, for these spectrograms."""
        return GriffinLim(self.spectrograms)


def check_spectrograms(vocoder: NeuralVocoder, tts: TTSModel, source: str = "the vocoder") -> None:
    """Raise ValueError where vocoder and generative model have different spectrogram settings."""
    actual, needed = vocoder.spectrograms.settings, tts.spectrograms.settings
    if different := [name for name, value in actual.items() if needed[name] != value]:
        pairs = [", ".join(f"{name} {settings[name]}" for name in different) for settings in (actual, needed)]
        raise ValueError(
            f"{source} was trained with spectrograms of {pairs[0]}, the TTS model predicts those of {pairs[1]}: "
            "train a vocoder with those"
        )
