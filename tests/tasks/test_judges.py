import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.losses import angular_margin_cross_entropy, pair_cross_entropy
from lightning_vc.modules.classifier import ConvClassifier, ECAPAClassifier
from lightning_vc.modules.verifier import ConvGRUVerifier, ECAPAVerifier, SpeakerVerifier
from lightning_vc.recipes import classifier, verifier
from lightning_vc.tasks.classifier import SpeakerClassifierTask
from lightning_vc.tasks.verifier import SpeakerVerifierTask
from lightning_vc.types import CloningBatch
from tests.tiny import TinyRun, logged, metrics


def spectrograms() -> Spectrograms:
    return Spectrograms(sample_rate=16000, n_fft=512, window=400, hop=200, n_mels=10)


class Loudness(SpeakerVerifier):
    """Hears how loud a recording is, and counts how many it has heard."""

    def __init__(self) -> None:
        super().__init__(1, nn.Identity())
        self.heard = 0

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        self.heard += len(waves)
        return waves.sum(1, keepdim=True) / lengths[:, None]


def test_the_score_of_two_speakers_by_hand() -> None:
    network = Loudness()
    with torch.no_grad():
        network.weight.fill_(2.0)
        network.bias.fill_(0.5)
        network.within.fill_(0.25)
        scores = network.score(torch.tensor([[1.0], [3.0]]), torch.tensor([[2.0]]))
    assert scores.tolist() == [[2 * 2 - 0.25 * 1 - 0.25 * 4 + 0.5], [2 * 6 - 0.25 * 9 - 0.25 * 4 + 0.5]]


def test_the_score_is_symmetric_whatever_is_learnt() -> None:
    network = ConvGRUVerifier(spectrograms(), n_mels=10, channels=2, hidden=4, embedding=3)
    nn.init.normal_(network.within)
    x, y = torch.randn(4, 3), torch.randn(5, 3)
    torch.testing.assert_close(network.score(x, y), network.score(y, x).mT)


@pytest.mark.parametrize(
    "network",
    [
        ConvGRUVerifier(spectrograms(), n_mels=10, channels=2, hidden=4, embedding=3),
        ECAPAVerifier(spectrograms(), n_mels=10, channels=16, embedding=3),
    ],
    ids=["gru", "ecapa"],
)
def test_what_pads_a_recording_is_not_heard(network: SpeakerVerifier) -> None:
    network.eval()
    wave = torch.randn(9000)
    alone = network(wave[None], torch.tensor([9000]))
    padded = torch.zeros(2, 14000)
    padded[0, :9000] = wave
    padded[1] = torch.randn(14000)
    together = network(padded, torch.tensor([9000, 14000]))
    # The last frames look beyond the end, where there is an echo of the recording when it is alone.
    assert torch.cosine_similarity(alone, together)[0] > 0.98
    assert network.speaker(together.unsqueeze(1)).shape == (2, 3)


def test_a_recording_shorter_than_the_filter() -> None:
    network = ConvGRUVerifier(spectrograms(), n_mels=10, channels=2, hidden=4).eval()
    assert network(torch.randn(1, 800), torch.tensor([800])).isfinite().all()


def test_what_pads_a_recording_is_not_classified() -> None:
    network = ConvClassifier(n_mels=10, channels=8, embedding=4).eval()
    mels, mask = torch.randn(2, 30, 10), torch.ones(2, 30, dtype=torch.bool)
    mask[0, 20:] = False
    short = network(mels[:1, :20], mask[:1, :20])
    torch.testing.assert_close(network(mels, mask)[:1], short)


def test_what_pads_a_recording_hardly_moves_what_ecapa_hears() -> None:
    network = ECAPAClassifier(n_mels=10, channels=16, embedding=4).eval()
    mels, mask = torch.randn(2, 90, 10), torch.ones(2, 90, dtype=torch.bool)
    mask[0, 60:] = False
    short = network(mels[:1, :60], mask[:1, :60])
    assert short.shape == (1, 4)
    assert torch.cosine_similarity(network(mels, mask)[:1], short) > 0.98


def test_a_margin_asks_for_a_larger_angle() -> None:
    cosines, classes = torch.tensor([[0.8, 0.1], [0.3, 0.6]]), torch.tensor([0, 1])
    plain = nn.functional.cross_entropy(10 * cosines, classes)
    torch.testing.assert_close(angular_margin_cross_entropy(cosines, classes, 0.0, 10.0), plain)
    nearer = [math.cos(math.acos(cosine) + 0.2) for cosine in (0.8, 0.6)]
    lost = [math.log(1 + math.exp(10 * (other - own))) for own, other in zip(nearer, (0.1, 0.3), strict=True)]
    assert float(angular_margin_cross_entropy(cosines, classes, 0.2, 10.0)) == pytest.approx(sum(lost) / 2)


def test_with_a_margin_speakers_are_told_by_angles() -> None:
    network = ConvClassifier(n_mels=10, channels=4, embedding=3, dropout=0.0)
    task = SpeakerClassifierTask(network, spectrograms(), ["a", "b"], margin=0.2, scale=10.0).eval()
    waves, lengths = torch.randn(2, 4000), torch.tensor([4000, 4000])
    logits = task(waves, lengths)
    assert logits.abs().max() <= 10
    with torch.no_grad():
        task.classes.weight.mul_(7.0)
    torch.testing.assert_close(task(waves, lengths), logits)
    batch = CloningBatch(waves[:, None], lengths[:, None], torch.tensor([0, 1]), [["a"], ["b"]])
    measured = float(task.loss(batch)["loss"])
    assert float(task.train().loss(batch)["loss"]) > measured  # the margin is of training alone


def test_pairs_of_one_speaker_and_of_two_count_half_each() -> None:
    scores, same = torch.tensor([[2.0, -1.0, -1.0], [0.0, 2.0, 0.0]]), torch.tensor([[1, 0, 0], [0, 1, 0]]).bool()
    right = math.log(1 + math.exp(-2))
    wrong = (2 * math.log(1 + math.exp(-1)) + 2 * math.log(2)) / 4
    assert float(pair_cross_entropy(scores, same)) == pytest.approx((right + wrong) / 2)
    assert float(pair_cross_entropy(scores[:1, :1], same[:1, :1])) == pytest.approx(right / 2)


def loud(*loudness: float, speakers: tuple[int, ...]) -> CloningBatch:
    shape = (len(speakers), 3)
    waves = torch.tensor(loudness)[:, None, None].expand(*shape, 100)
    return CloningBatch(waves, torch.full(shape, 100), torch.tensor(speakers), [["a", "b", "c"]] * len(speakers))


def test_errors_are_counted_over_all_batches_and_scores_beyond_one_are_not_squashed() -> None:
    task = SpeakerVerifierTask(Loudness(), []).eval()
    told = task.loss(loud(1.0, -1.0, speakers=(0, 1)))
    assert told.keys() == {"loss"}
    assert float(task.errors.compute()) == 0
    task.loss(loud(30.0, 40.0, speakers=(0, 1)))  # scores 900, 1200, 1600: different pairs above every same one of 1
    assert float(task.errors.compute()) == pytest.approx(0.5)
    task.errors.reset()
    assert float(task.train().loss(loud(1.0, -1.0, speakers=(0, 1)))["equal_error_rate"]) == 0
    assert "equal_error_rate" not in task.loss(loud(1.0, 1.0, speakers=(1, 1)))


def test_with_a_margin_each_clip_is_told_from_all_speakers_too() -> None:
    class Directions(Loudness):
        """Hears the first two samples."""

        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.within = 2, nn.Parameter(torch.zeros(2, 2))

        def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
            return waves[:, :2]

    task = SpeakerVerifierTask(Directions(), ["a", "b"], margin=0.2, scale=10.0)
    assert task.classes is not None
    with torch.no_grad():
        task.classes.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
    waves = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]])  # the last clip is taken for the other's
    batch = CloningBatch(waves, torch.full((2, 2), 2), torch.tensor([0, 1]), [["a", "b"], ["c", "d"]])
    losses = task.loss(batch)
    right = math.log(1 + math.exp(-10 * math.cos(0.2)))
    wrong = math.log(1 + math.exp(10 * (1 - math.cos(math.pi / 2 + 0.2))))
    assert float(losses["classification"]) == pytest.approx((3 * right + wrong) / 4, rel=1e-3)
    pairs = pair_cross_entropy(task(waves, batch.lengths), torch.eye(2).bool())
    assert float(losses["loss"]) == pytest.approx(float(pairs + losses["classification"]))
    losses["loss"].backward()
    assert task.classes.weight.grad.abs().sum() > 0
    assert {id(parameter) for parameter in task.classes.parameters()} <= {id(each) for each in task.trainable()}
    assert task.eval().loss(batch).keys() == {"loss"}


def test_trials_are_scored_and_each_recording_is_heard_once() -> None:
    task = SpeakerVerifierTask(Loudness(), []).eval()
    one, two, three = (torch.full((50,), value) for value in (1.0, 2.0, 3.0))
    scores = task.verify([[one, two], [one], [three, one]], [three, two, two])
    assert scores.tolist() == pytest.approx([4.5, 2, 4])
    assert task.verifier.heard == 3


def test_a_frozen_part_of_a_verifier_stays_frozen() -> None:
    network = ConvGRUVerifier(spectrograms(), n_mels=10, channels=2, hidden=4)
    network.conv.requires_grad_(False)
    task = SpeakerVerifierTask(network, [])
    task.configure_model()
    moving = {id(parameter) for parameter in task.trainable()}
    assert not network.conv.weight.requires_grad
    assert id(network.conv.weight) not in moving
    assert id(network.within) in moving


def test_the_classifier_by_recipe(tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli = classifier.main(tiny_run.judge_flags("classifier", tmp_path))
    assert cli.trainer.global_step == 2
    assert all(0 <= value <= 1 for value in logged(tmp_path, "validation/accuracy"))
    task = SpeakerClassifierTask.load(tmp_path / "last.ckpt")
    assert task.speakers == sorted(entry.id for entry in tiny_run.index.speakers)
    assert task.learnt == {sample.id for sample in cli.datamodule.learnt}
    assert task.learnt
    others = [*tiny_run.judge_flags("classifier", tmp_path / "again"), "--data.classes", "test"]
    with pytest.raises(SystemExit):
        classifier.main([*others, "--ckpt_path", str(tmp_path / "last.ckpt")])
    assert "learned other speakers than those of the data (6 only in the checkpoint" in capsys.readouterr().err


def test_the_verifier_by_recipe(tiny_run: TinyRun, tmp_path: Path) -> None:
    verifier.main(tiny_run.judge_flags("verifier", tmp_path))
    assert len(logged(tmp_path, "validation/equal_error_rate")) == 2
    waves = [sample.wave(16000) for sample in tiny_run.samples()[:3]]
    scores = SpeakerVerifierTask.load(tmp_path / "last.ckpt").verify([waves[:2]], waves[2:])
    assert scores.isfinite().all()
    out = tmp_path / "test"
    verifier.main([*tiny_run.judge_flags("verifier", out, "test"), "--ckpt_path", str(tmp_path / "last.ckpt")])
    (measured,) = metrics(out)
    assert 0 <= measured["test/equal_error_rate"] <= 1
