"""Train the multi-speaker acoustic model: text and speaker embedding to spectrograms."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.cli import VoiceCLI
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.tasks.tts import TTSTask


def main(args: ArgsType = None) -> VoiceCLI:
    return VoiceCLI(
        TTSTask,
        TTSDataModule,
        args,
        verb="tts",
        linked=(("data.speakers", "model.tts.init_args.speakers"), ("pretrained.tts", "model.init_from")),
        shared=(("model.tts.init_args.frontend", "data.frontend"),),
    )


if __name__ == "__main__":
    main()
