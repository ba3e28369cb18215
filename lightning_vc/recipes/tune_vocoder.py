"""Fine-tune a vocoder on the predictions of an acoustic model."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import VoiceCLI
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.tasks.vocoder import VocoderTuningTask


def main(args: ArgsType = None) -> VoiceCLI:
    linked = (
        ("pretrained.tts", "model.tts"),
        ("pretrained.vocoder", "model.vocoder"),
        ("pretrained.discriminators", "model.discriminators"),
        ("pretrained.frontend", "data.frontend"),
    )
    return VoiceCLI(VocoderTuningTask, TTSDataModule, args, verb="tune_vocoder", linked=linked)


if __name__ == "__main__":
    main()
