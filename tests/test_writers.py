"""Whatever writes a file leaves what was there when the disk is full, and says which file it was."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

from lightning_vc.audio import io
from lightning_vc.data.index import Index
from lightning_vc.data.shards import prepare
from lightning_vc.data.splits import Splits
from lightning_vc.evaluation.folder import Row
from lightning_vc.evaluation.report import write_report
from lightning_vc.evaluation.tables import Result, write_results
from lightning_vc.files import named_errors
from lightning_vc.plots import save_figure
from lightning_vc.pretrained import export
from lightning_vc.voice import Voice
from tests.data.tones import Tones
from tests.tiny import TinyRun

WAVE = torch.rand(16000, generator=torch.Generator().manual_seed(0)) - 0.5
INDEX = Index("", 16000, {}, (), {}, 0, 0, "x" * 500)
RESULTS = [Result(Row("encoder", 5), f"measure_{number}", 0.5, 0.4, 0.6, 9) for number in range(40)]
WRITERS: dict[str, Callable[[Path], object]] = {
    **{f"a{suffix}": lambda path: io.write(path, WAVE, 16000) for suffix in io.SUFFIXES},
    "voice.safetensors": lambda path: Voice(torch.zeros(500), "encoder", "base", 1).save(path),
    "figure.png": lambda path: save_figure(Figure(), path),
    "index.json": lambda path: replace(INDEX, folder=str(path.parent)).save(),
    "results.json": lambda path: write_results(path.parent, RESULTS, {}),
    "report.html": lambda path: write_report(path, INDEX, [], RESULTS, {}, {}, []),
}


@contextmanager
def full_disk(size: int = 200) -> Iterator[None]:
    """Let no file of this process grow beyond some bytes: within a test only, for pytest may write to a file too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", WRITERS)
def test_on_a_full_disk_what_was_there_stays(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("before")
    with full_disk(), pytest.raises(OSError, match=f"{name} cannot be written: File too large"):
        WRITERS[name](path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_preparation_and_export_name_the_file_that_the_disk_has_no_place_for(tiny_run: TinyRun, tmp_path: Path) -> None:
    with full_disk(2000), pytest.raises(OSError, match=r"train-000000\.tar cannot be written: File too large"):
        prepare(Tones(2, 4), tmp_path / "shards", Splits(test=0, validation=0), sample_rate=8000)
    assert not (tmp_path / "shards").exists()
    with full_disk(2000), pytest.raises(OSError, match=r"exported/tts\.safetensors cannot be written: File too large"):
        export(tiny_run.folder, tmp_path / "exported")
    assert list((tmp_path / "exported").iterdir()) == []


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 16 KiB."""
    folder = tmp_path_factory.mktemp("small")
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder]).returncode:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("write", [io.write, lambda path, wave, rate: io.write_parts(path, wave.split(8000), rate)])
@pytest.mark.parametrize("suffix", io.SUFFIXES)
@pytest.mark.parametrize("free", [0, 4096, 8192, 16384])
def test_a_sound_that_the_disk_has_no_place_for(
    small_disk: Path, free: int, suffix: str, write: Callable[[Path, torch.Tensor, int], None]
) -> None:
    for file in small_disk.iterdir():
        file.unlink()
    if free < 16384:
        (small_disk / "other").write_bytes(bytes(16384 - free))
    wave = torch.rand(16000 * 8, generator=torch.Generator().manual_seed(0)) - 0.5
    with pytest.raises(OSError, match=rf"a\{suffix} cannot be written"):
        write(small_disk / f"a{suffix}", wave, 16000)


@pytest.mark.parametrize("suffix", io.SUFFIXES)
def test_a_sound_is_not_there_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    path, seen = tmp_path / f"a{suffix}", []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(path.exists()))
    io.write(path, WAVE, 16000)
    assert seen == [False]
    assert len(io.read(path, 16000)) >= len(WAVE)


def test_devices_and_pipes_are_not_replaced(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe.wav", tmp_path / "null.wav"
    os.mkfifo(pipe)
    link.symlink_to("/dev/null")
    for path in (pipe, link):
        for write in (io.write, lambda path, wave, rate: io.write_parts(path, [wave], rate)):
            with pytest.raises(OSError, match="is not a regular file: name a file to write"):
                write(path, WAVE, 16000)
    assert pipe.is_fifo()
    assert Path("/dev/null").is_char_device()


def test_errors_that_name_a_file_are_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'.*/gone/a'$"), named_errors(tmp_path / "b"):
        (tmp_path / "gone" / "a").write_text("x")
