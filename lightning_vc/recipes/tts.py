"""Train the multi-speaker generative model: text and a voice to speech."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import VoiceCLI
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.tasks.tts import TTSTask


def main(args: ArgsType = None) -> VoiceCLI:
    return VoiceCLI(
        TTSTask,
        TTSDataModule,
        args,
        linked=(("data.speakers", "model.speakers"),),
        shared=(("model.frontend", "data.frontend"),),
    )


if __name__ == "__main__":
    main()
