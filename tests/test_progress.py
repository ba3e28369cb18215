"""Where a training is, in a terminal and in a file."""

import re
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel

from lightning_vc.progress import StepProgressBar


class Logging(BoringModel):
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        output = super().training_step(batch, batch_idx)
        self.log("train/loss", output["loss"], prog_bar=True)
        return output


def fit(out: Path, bar: StepProgressBar, **options: Any) -> None:
    options = {"max_steps": 5, "limit_val_batches": 1, "logger": False, "enable_model_summary": False, **options}
    Trainer(default_root_dir=out, accelerator="cpu", callbacks=bar, enable_checkpointing=False, **options).fit(
        Logging()
    )


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("step")]


def test_a_file_gets_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, StepProgressBar(0))
    first, *middle, last = lines(capsys)
    loss = r", loss -?[\d.e-]+"
    assert re.fullmatch(f"step 1 of 5{loss}", first)
    for number, line in enumerate(middle, 2):
        assert re.fullmatch(rf"step {number} of 5, [\d.]+ (steps/s|s/step), ETA \d:\d\d:\d\d{loss}", line)
    assert len(middle) == 3
    assert re.fullmatch(rf"step 5 of 5, [\d.]+ (steps/s|s/step){loss}", last)


def test_lines_come_every_so_often_and_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, StepProgressBar(1000))
    assert [line.split(",")[0] for line in lines(capsys)] == ["step 1 of 5", "step 5 of 5"]


def test_steps_are_counted_over_epochs_and_accumulated_batches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(tmp_path, StepProgressBar(1000), max_steps=-1, max_epochs=2, limit_train_batches=6, accumulate_grad_batches=3)
    assert lines(capsys)[-1].startswith("step 4 of 4")
    fit(tmp_path, StepProgressBar(1000), max_steps=-1, max_epochs=-1, max_time="00:00:00:01")
    assert re.match(r"step \d+, ", lines(capsys)[-1])


def test_a_terminal_gets_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    fit(tmp_path, StepProgressBar(0))
    captured = capsys.readouterr()
    first, *_, last = [text for text in captured.err.split("\r\033[K") if text.startswith("step")]
    assert first.startswith("step 1 of 5")
    assert "\n" not in first
    assert re.fullmatch(r"step 5 of 5, [\d.]+ (steps/s|s/step), loss -?[\d.e-]+\n", last)
    assert "step" not in captured.out
