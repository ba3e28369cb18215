"""Fine-tune a vocoder on the predictions of a generative model."""

from lightning.pytorch.cli import ArgsType
from torch import nn

from lightning_vc.audio.vocoder import NeuralVocoder
from lightning_vc.checkpoint import model_of
from lightning_vc.cli import PretrainedTTS, VoiceCLI
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.modules.discriminators import Discriminators
from lightning_vc.tasks.vocoder import VocoderTuningTask
from lightning_vc.untrusted import read_checkpoint


class Pretrained(PretrainedTTS):
    """Models that training starts from.

    Args:
        tts: checkpoint or exported file of the generative model.
        vocoder: checkpoint of the vocoder, with its discriminators.
    """

    def __init__(self, tts: str, vocoder: str) -> None:
        super().__init__(tts)
        saved = read_checkpoint(vocoder)
        self.vocoder = model_of(saved, NeuralVocoder, vocoder)  # type: ignore[type-abstract]
        self.discriminators: nn.Module = model_of(saved, Discriminators, vocoder)


def main(args: ArgsType = None) -> VoiceCLI:
    linked = (
        ("pretrained.tts", "model.tts"),
        ("pretrained.vocoder", "model.vocoder"),
        ("pretrained.discriminators", "model.discriminators"),
        ("pretrained.frontend", "data.frontend"),
    )
    return VoiceCLI(VocoderTuningTask, TTSDataModule, args, pretrained=Pretrained, linked=linked)


if __name__ == "__main__":
    main()
