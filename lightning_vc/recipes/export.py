"""Write a trained run as safetensors in half precision: to ship it, or to keep it small."""

from argparse import ArgumentParser
from collections.abc import Sequence

from lightning_vc.console import printable, reported
from lightning_vc.pretrained import export
from lightning_vc.trust import TRUST, trust


def main(args: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m lightning_vc.recipes.export", description=__doc__)
    parser.add_argument("--model", required=True, help="folder of a run: tts/last.ckpt, encoder/last.ckpt, ...")
    parser.add_argument("--out", required=True, help="folder that gets tts.safetensors and so on, for --model of clone")
    parser.add_argument("--trust", nargs="+", default=[], help=TRUST)
    options = parser.parse_args(args)
    with reported(parser):
        trust(options.trust)
        for file in export(options.model, options.out):
            print(printable(f"{file}  {file.stat().st_size / 1e6:.1f} MB"))


if __name__ == "__main__":
    main()
