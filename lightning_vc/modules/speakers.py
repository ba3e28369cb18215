"""The table that turns a speaker's number into a voice."""

from torch import Tensor, nn


class SpeakerTable(nn.Module):
    """One learned voice per training speaker, at first uniform in ±`scale` (Deep Voice 3).

    What a voice starts with is noise that no recording tells: the less of it, the better a speaker encoder can learn
    where a voice has gone.
    """

    def __init__(self, n_speakers: int, voice_dim: int = 512, scale: float = 0.1) -> None:
        super().__init__()
        self.table = nn.Embedding(n_speakers, voice_dim)
        nn.init.uniform_(self.table.weight, -scale, scale)

    def forward(self, speakers: Tensor) -> Tensor:
        """(B,) -> (B, E)."""
        voice: Tensor = self.table(speakers)
        return voice

    @property
    def voices(self) -> Tensor:
        """All of them: (speakers, E)."""
        return self.table.weight
