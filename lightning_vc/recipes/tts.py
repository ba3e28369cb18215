"""Train the multi-speaker generative model: text and a speaker embedding to speech."""

from lightning.pytorch.cli import ArgsType

from lightning_vc.checkpoint import load_model
from lightning_vc.cli import VoiceCLI
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.modules.tts import TTSModel
from lightning_vc.tasks.tts import TTSTask


class Pretrained:
    """Models that training starts from.

    Args:
        tts: checkpoint or exported file of another generative model of the same sizes.
    """

    def __init__(self, tts: str | None = None) -> None:
        self.tts = None if tts is None else load_model(tts, TTSModel)


def main(args: ArgsType = None) -> VoiceCLI:
    return VoiceCLI(
        TTSTask,
        TTSDataModule,
        args,
        pretrained=Pretrained,
        linked=(("data.speakers", "model.tts.init_args.speakers"), ("pretrained.tts", "model.start")),
        shared=(("model.tts.init_args.frontend", "data.frontend"),),
    )


if __name__ == "__main__":
    main()
