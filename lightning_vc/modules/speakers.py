"""The table that turns a speaker's number into a voice."""

from torch import Tensor, nn


class SpeakerTable(nn.Module):
    """One learned voice per training speaker, at first uniform in [-0.1, 0.1] (Deep Voice 3)."""

    def __init__(self, n_speakers: int, voice_dim: int = 512) -> None:
        super().__init__()
        self.table = nn.Embedding(n_speakers, voice_dim)
        nn.init.uniform_(self.table.weight, -0.1, 0.1)

    def forward(self, speakers: Tensor) -> Tensor:
        """(B,) -> (B, E)."""
        voice: Tensor = self.table(speakers)
        return voice

    @property
    def voices(self) -> Tensor:
        """All of them: (speakers, E)."""
        return self.table.weight
