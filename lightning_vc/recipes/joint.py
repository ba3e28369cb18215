"""Fine-tune encoder and generative model together, from a trained one of each."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.checkpoint import load_model
from lightning_vc.cli import PretrainedTTS, VoiceCLI
from lightning_vc.data.cloning import JointDataModule
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.tasks.joint import JointTask


class Pretrained(PretrainedTTS):
    """Models that training starts from.

    Args:
        tts: checkpoint or exported file of the generative model.
        encoder: checkpoint or exported file of the speaker encoder trained for it.
    """

    def __init__(self, tts: str, encoder: str) -> None:
        super().__init__(tts)
        self.encoder = load_model(encoder, SpeakerEncoder)  # type: ignore[type-abstract]


def main(args: ArgsType = None) -> VoiceCLI:
    linked = (
        ("pretrained.tts", "model.tts"),
        ("pretrained.encoder", "model.encoder"),
        ("pretrained.frontend", "data.frontend"),
    )
    return VoiceCLI(JointTask, JointDataModule, args, pretrained=Pretrained, linked=linked)


if __name__ == "__main__":
    main()
