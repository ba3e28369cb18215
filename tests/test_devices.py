"""Models on another device than the CPU, and in half precision."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lightning_vc import Cloner, adaptation
from lightning_vc.devices import find_device, training_precision
from tests.tiny import ROOT, TinyRun

TEXT = "The old dog slept. Yes."


def everything(run: TinyRun, device: str) -> list[torch.Tensor]:
    """The results of cloning by each kind of method and of speaking, which have to be on the CPU."""
    cloner = Cloner.load(run.folder, device=device)
    assert cloner.device.type == device
    clips = [(sample.wave(16000), 16000) for sample in run.samples()[:2]]
    texts = [sample.text or "" for sample in run.samples()[:2]]
    results = []
    for method, init in (("encoder", None), ("low_rank", "mean"), ("whole_model", "encoder")):
        voice = cloner.clone(clips, method, texts, None if method == "encoder" else 1, init)
        whole = cloner.say(TEXT, voice, speed=1.25 if method == "encoder" else 1.0)
        parts = list(cloner.stream(TEXT, voice))
        results += [voice.embedding, *voice.adapted_parameters.values(), *whole.spectra, *whole.alignments, whole.wave]
        results += [part.wave for part in parts]
    results.append(cloner.speaker(cloner.speakers[0]).embedding)
    assert all(type(result) is torch.Tensor and result.device.type == "cpu" for result in results)
    return results


def check_same(run: TinyRun, device: str, tolerance: float) -> None:
    for one, two in zip(everything(run, "cpu"), everything(run, device), strict=True):
        assert one.shape == two.shape
        assert (one - two).abs().mean() <= tolerance


def on_fake_device(folder: str) -> None:
    """Compare with the CPU; for a process of its own, as the device stays registered."""
    from lightning.pytorch.accelerators import AcceleratorRegistry, CPUAccelerator

    from lightning_vc import devices
    from tests import fake_device

    class FakeAccelerator(CPUAccelerator):
        def setup_device(self, device: torch.device) -> None:
            assert device.type == fake_device.NAME

    library = fake_device.install()
    with pytest.raises(RuntimeError, match="got tensors on cpu and fake"):
        torch.ones(3, device=fake_device.NAME) + torch.ones(3)
    with pytest.raises(RuntimeError, match="numpy"):
        torch.ones(3, device=fake_device.NAME).numpy()
    AcceleratorRegistry.register(fake_device.NAME, FakeAccelerator)
    devices._DEVICES = (*devices._DEVICES, fake_device.NAME)
    torch.cpu.get_capabilities = dict  # type: ignore[assignment]  # the CPU trains in float32 too
    check_same(TinyRun(Path(folder)), fake_device.NAME, 1e-6)
    print("compared")
    del library


@pytest.mark.timeout(600)  # a process of its own, which imports all again
def test_nothing_is_copied_to_another_device_in_passing(tiny_run: TinyRun) -> None:
    code = "import sys; from tests.test_devices import on_fake_device; on_fake_device(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(tiny_run.folder)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("compared\n")


@pytest.mark.gpu
def test_a_gpu_gives_what_the_cpu_gives(tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptation, "training_precision", lambda *_: "32-true")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    check_same(tiny_run, "cuda", 1e-2)
    assert Cloner.load(tiny_run.tts).to("cpu").to("cuda:0").device == torch.device("cuda", 0)


def test_devices_that_are_not_there_are_refused(tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Cloner.load(tiny_run.tts).device == find_device("auto") == torch.device("cpu")
    with pytest.raises(
        ValueError, match=r"device is 'cuda', and torch .* finds 0 CUDA devices: .*https://pytorch\.org"
    ):
        Cloner.load(tiny_run.tts, device="cuda")
    for name, complaint in (("gpu", "device 'gpu' is unknown"), ("meta", "device 'meta' is not supported")):
        with pytest.raises(ValueError, match=f"{complaint}: choose auto, cpu, cuda or cuda:N"):
            Cloner.from_pretrained(tiny_run.tts, device=name)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_speaks_nearly_the_same(tiny_run: TinyRun, dtype: torch.dtype) -> None:
    full, half = (Cloner.load(tiny_run.folder, device="cpu", dtype=kind) for kind in (None, dtype))
    assert {weight.dtype for weight in half.tts.model.parameters()} == {dtype}
    name = full.speakers[0]
    one, two = full.say(TEXT, name), half.say(TEXT, name)
    assert two.spectra.linear.dtype == two.wave.dtype == torch.float32
    assert two.wave.isfinite().all()
    assert abs(one.spectra.mel.shape[1] - two.spectra.mel.shape[1]) <= 1
    frames = min(one.spectra.mel.shape[1], two.spectra.mel.shape[1])
    assert (one.spectra.mel[:, :frames] - two.spectra.mel[:, :frames]).abs().mean() < 0.02
    clips = [(sample.wave(16000), 16000) for sample in tiny_run.samples()[:2]]
    assert half.clone(clips) == full.clone(clips)
    with pytest.raises(ValueError, match="adaptation trains in float32: load the model without dtype"):
        half.clone(clips, "embedding", ["One.", "Two."], steps=1)


def test_adaptation_trains_in_bfloat16_where_the_processor_computes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for capabilities, precision in (({"avx512_bf16": True}, "bf16-mixed"), ({"avx2": True}, "32-true")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
        assert training_precision(cpu, has_attention=False) == precision
        assert training_precision(cpu, has_attention=True) == "32-true"


def test_other_types_are_refused(tiny_run: TinyRun) -> None:
    with pytest.raises(ValueError, match=r"dtype is torch\.float64: choose torch\.float32, torch\.bfloat16 or"):
        Cloner.load(tiny_run.tts, dtype=torch.float64)
