"""A run that was killed goes on as if it had not been: the same samples, the same losses, bit for bit."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_vc.data.datamodule import Loading
from lightning_vc.data.index import Index
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.text.frontend import Characters
from tests.data.listener import Listener, heard, trainer
from tests.tiny import ROOT


def run(index: Index, out: Path, ranks: int, workers: int, kill_at: int = 0) -> None:
    """Train to step 16, or until everything is killed."""
    out.mkdir(exist_ok=True)
    words = [str(index.folder), str(out), str(ranks), str(workers), str(kill_at)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.data.interrupted", *words],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == (-signal.SIGKILL if kill_at else 0), done.stderr[-3000:]


def steps(out: Path, rank: int) -> list[tuple[int, int, list[str], float]]:
    """What a rank saw of each step, in the order of the steps; those after a checkpoint come twice."""
    return [tuple(json.loads(line)) for line in (out / f"{rank}.jsonl").read_text().splitlines()]


OTHERS = [pytest.param(*case, marks=pytest.mark.distributed) for case in ((1, 2), (2, 0), (2, 2))]


@pytest.mark.timeout(900)  # many processes, each of which imports torch: on a busy machine they are slow
@pytest.mark.parametrize(("ranks", "workers"), [(1, 0), *OTHERS])
def test_samples_and_losses_go_on_bit_for_bit(index: Index, tmp_path: Path, ranks: int, workers: int) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(index, whole, ranks, workers)
    an_epoch = 12 // ranks  # steps: 48 samples in batches of 4
    for kill_at in (3, an_epoch, 15):  # in an epoch, at the end of one, in a later one
        run(index, broken, ranks, workers, kill_at)
    run(index, broken, ranks, workers)
    for rank in range(ranks):
        expected = steps(whole, rank)
        assert [step for _, step, *_ in expected] == list(range(1, 17))
        assert len({epoch for epoch, *_ in expected}) == -(-16 // an_epoch)
        seen = steps(broken, rank)
        if rank == 0:  # who may kill the others before they have written step 3
            assert [step for _, step, *_ in seen].count(3) == 2  # it was done, lost and done again
        assert {step: rest for _, step, *rest in seen} == {step: rest for _, step, *rest in expected}
        assert all(line == expected[line[1] - 1] for line in seen)
    assert len({loss for *_, loss in expected}) == 16


def test_a_run_that_was_made_with_other_data_is_refused_or_begins_its_epoch_anew(index: Index, tmp_path: Path) -> None:
    def fit(steps: int, batch_size: int = 4, min_utterances_per_speaker: int = 1, **loading: int) -> None:
        how = Loading(**loading)  # type: ignore[arg-type]
        data = TTSDataModule(index.folder, Characters(), batch_size, min_utterances_per_speaker, loading=how)
        fitted = trainer(tmp_path, max_steps=steps, limit_val_batches=0)
        fitted.fit(Listener(str(tmp_path)), data, ckpt_path=checkpoint if checkpoint.exists() else None)
        fitted.save_checkpoint(checkpoint)

    checkpoint = tmp_path / "last.ckpt"
    fit(5)
    for changed, complaint in (
        ({"batch_size": 6}, "batch_size 4, now 6"),
        ({"workers": 2}, "workers 1, now 2"),
        ({"seed": 1}, "seed 0, now 1"),
        ({"min_utterances_per_speaker": 7}, "min_utterances_per_speaker 1, now 7"),
    ):
        with pytest.raises(ValueError, match=f"{complaint}.*--data.loading.restart_epoch true"):
            fit(7, **changed)
    before = heard(tmp_path, "train")
    fit(7, workers=2, restart_epoch=True)
    assert len(heard(tmp_path, "train")) == 7
    assert len(before) == 5
