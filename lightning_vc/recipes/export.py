"""Write the models of a run as safetensors files in half precision, for distribution."""

from collections.abc import Sequence

from lightning_vc.console import printable
from lightning_vc.verbs import call


def export(model: str, out: str, trust: list[str] | None = None) -> None:
    """Write the models of a run as safetensors files in half precision, for distribution.

    Args:
        model: folder of a run: tts/last.ckpt, encoder/last.ckpt, ...
        out: folder that gets tts.safetensors and so on, for --model of clone.
        trust: modules whose classes a model may name.
    """
    from lightning_vc import pretrained
    from lightning_vc.trust import trust as allow

    allow(trust or ())
    for file in pretrained.export(model, out):
        print(printable(f"{file}  {file.stat().st_size / 1e6:.1f} MB"))


def main(args: Sequence[str] | None = None) -> None:
    call(export, args)


if __name__ == "__main__":
    main()
