"""The table of speaker embeddings."""

from torch import Tensor, nn


class SpeakerTable(nn.Module):
    """One learned voice per training speaker, at first uniform in ±`scale` (Deep Voice 3).

    The start is noise that no recording tells: a small scale makes voices easier to learn for a speaker encoder.
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
