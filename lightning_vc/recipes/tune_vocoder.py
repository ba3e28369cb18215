"""Fine-tune a vocoder on what an acoustic model makes of the texts."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import VoiceCLI
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.tasks.vocoder import VocoderTuningTask


def main(args: ArgsType = None) -> VoiceCLI:
    return VoiceCLI(VocoderTuningTask, TTSDataModule, args, linked=(("model.frontend", "data.frontend"),))


if __name__ == "__main__":
    main()
