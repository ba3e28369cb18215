"""Runs that end around a validation, whose checkpoints have to be those of a run that does not."""

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Trainer

from lightning_vc.callbacks import LastCheckpoint
from lightning_vc.recipes import tts
from lightning_vc.untrusted import read_checkpoint
from tests.tiny import TinyRun


class Killed(Exception):
    pass


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_validation_end"])
def test_a_run_that_ends_around_its_last_validation_has_its_best_checkpoint_when_resumed(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: str
) -> None:
    """As by a kill: after step 4, which a validation follows, before or after that validation."""
    tts.main(tiny_run.tts_flags(tmp_path / "whole"))
    normal = getattr(LastCheckpoint, hook)

    def end(self: LastCheckpoint, trainer: Trainer, *arguments: Any) -> None:
        if hook == "on_train_batch_end":
            normal(self, trainer, *arguments)
        if trainer.global_step == 4:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(LastCheckpoint, hook, end)
        with pytest.raises(Killed):
            tts.main(tiny_run.tts_flags(tmp_path / "ended"))
    last = tmp_path / "ended" / "last.ckpt"
    tts.main([*tiny_run.tts_flags(tmp_path / "ended"), "--ckpt_path", str(last)])
    for name in ("best.ckpt", "last.ckpt"):
        expected, resumed = (read_checkpoint(tmp_path / run / name) for run in ("whole", "ended"))
        assert resumed["global_step"] == expected["global_step"] == 4
        assert all(value.equal(expected["state_dict"][key]) for key, value in resumed["state_dict"].items())
