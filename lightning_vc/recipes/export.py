"""Write the models of a run as safetensors files in half precision, for distribution."""

from collections.abc import Sequence

from lightning_vc.console import printable
from lightning_vc.verbs import call


def export(
    model: str,
    out: str,
    trust: list[str] | None = None,
    push_to: str = "",
    license: str = "",
    datasets: list[str] | None = None,
    private: bool = False,
    onnx: bool = False,
) -> None:
    """Write the models of a run as safetensors files in half precision, for distribution.

    Args:
        model: folder of a run: tts/last.ckpt, encoder/last.ckpt, ...
        out: folder that gets tts.safetensors and so on, for --model of clone.
        trust: modules whose classes a model may name.
        push_to: organisation/repository of the Hugging Face Hub, to which the folder is uploaded with a model card.
        license: with --push_to, the Hub's identifier of the licence of the weights, such as cc-by-4.0.
        datasets: with --push_to, the Hub's identifiers of the corpora that the model was trained on.
        private: with --push_to, create the repository as private.
        onnx: write the models as ONNX graphs too; needs onnx and onnxscript.
    """
    if not push_to and (license or datasets or private):
        raise ValueError("--license, --datasets and --private describe an upload: give --push_to organisation/name too")
    if push_to and not license:
        raise ValueError("--push_to needs --license: give the Hub's identifier of the weights' licence, as cc-by-4.0")
    from lightning_vc import pretrained
    from lightning_vc.trust import trust as allow

    allow(trust or ())
    for file in pretrained.export(model, out):
        print(printable(f"{file}  {file.stat().st_size / 1e6:.1f} MB"))
    if onnx:
        from lightning_vc.onnx_export import export_onnx

        for file in export_onnx(out, **pretrained.load_folder(out)):
            print(printable(f"{file}  {file.stat().st_size / 1e6:.1f} MB"))
    if push_to:
        from lightning_vc import hub

        print(printable(hub.push_to_hub(out, push_to, license, datasets or (), private)))


def main(args: Sequence[str] | None = None) -> None:
    call(export, args)


if __name__ == "__main__":
    main()
