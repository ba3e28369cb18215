import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from lightning_vc.audio.features import Spectrograms
from lightning_vc.losses import guided_attention, step_positions
from lightning_vc.modules.acoustic import DeepVoice3
from lightning_vc.modules.attention import Attention
from lightning_vc.modules.converter import Converter
from lightning_vc.modules.decoder import Decoder, Prenet
from lightning_vc.modules.text_encoder import TextEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.tasks.tts import TTSTask, tts_loss
from lightning_vc.text.frontend import Phonemes
from lightning_vc.types import Spectra, TTSBatch


def made(reduction: int = 4, speaker_init_scale: float = 0.1, **options: Any) -> TTSTask:
    torch.manual_seed(0)
    model = DeepVoice3(
        speaker_dim=8,
        n_mels=16,
        n_fft=256,
        reduction=reduction,
        encoder=lambda voice: TextEncoder(voice, embedding=32, channels=32, layers=2, dropout=0),
        decoder=lambda text, voice, mels, r: Decoder(
            text,
            voice,
            mels,
            r,
            layers=2,
            dropout=0,
            prenet=lambda frames, voice: Prenet(frames, voice, (32, 32), dropout=0),
            attention=lambda h, text, voice, r: Attention(h, text, voice, r, hidden=32, dropout=0),
        ),
        converter=lambda h, voice, bins, r: Converter(h, voice, bins, r, channels=32, layers=2, dropout=0),
    )
    spectrograms = Spectrograms(sample_rate=8000, n_fft=256, window=256, hop=128, n_mels=16)
    return TTSTask(TTSModel(model, spectrograms, Phonemes(), ["ann", "bob"], speaker_init_scale), **options)


def hums(*seconds: float) -> TTSBatch:
    """One hum of each length, each higher than the last, by two speakers in turn."""
    lengths = [round(8000 * item) for item in seconds]
    waves = [0.5 * torch.sin(torch.arange(n) * 2 * math.pi * 150 * (i + 1) / 8000) for i, n in enumerate(lengths)]
    texts = [torch.arange(2, 8 + i) for i in range(len(seconds))]
    speakers = torch.arange(len(seconds)) % 2
    text, sound = (pad_sequence(item, batch_first=True) for item in (texts, waves))
    times = torch.full(text.shape, torch.nan)
    return TTSBatch(text, sound, torch.tensor(lengths), times, speakers, [str(i) for i in range(len(seconds))])


def test_the_loss_falls_in_twenty_steps() -> None:
    task, batch = made(), hums(0.5, 0.6)
    optimizer = torch.optim.Adam(task.parameters(), lr=1e-2)
    losses: list[dict[str, float]] = []
    for _ in range(21):
        terms = task.loss(batch)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        losses.append({name: float(value) for name, value in terms.items()})
    for name, share in {"loss": 0.5, "done": 0.5, "mel": 0.9, "linear": 0.9}.items():
        assert losses[-1][name] < share * losses[0][name], name


def test_attention_is_held_to_what_is_being_said() -> None:
    task, unknown = made().eval(), hums(0.5, 0.3)
    times = unknown.times.clone()
    times[0, :6] = torch.linspace(0.05, 0.45, 6)
    aligned = unknown._replace(times=times)
    step = task.tts.model.reduction * 128 / 8000  # seconds
    spectra = task.tts.spectrograms(aligned.waves)
    padding = -spectra.mel.shape[1] % task.tts.model.reduction
    true = Spectra(*(F.pad(spectrum, (0, 0, 0, padding)) for spectrum in spectra))
    frames = task.tts.spectrograms.frames(aligned.lengths)
    alignments = task.tts.model(aligned.text, task.tts.table(aligned.speakers), true, frames).alignments
    symbols = (aligned.text != 0).sum(1)
    steps = -(-frames // task.tts.model.reduction)
    expected = guided_attention(alignments, symbols, steps, step_positions(times, alignments.shape[2], step))
    terms = task.loss(aligned)
    torch.testing.assert_close(terms["attention"], expected)
    assert not terms["attention"].isclose(task.loss(unknown)["attention"], rtol=1e-2)
    terms["loss"].backward()
    gradients = [weight.grad for weight in task.parameters() if weight.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    task = made(attention_weight=3.0).eval()
    terms = {name: float(value) for name, value in task.loss(hums(0.5, 0.3)).items()}
    assert terms.keys() == {"loss", "mel", "linear", "done", "attention"}
    expected = terms["mel"] + terms["linear"] + terms["done"] + 3 * terms["attention"]
    assert terms["loss"] == pytest.approx(expected)
    assert all(value > 0 for value in terms.values())


def test_the_squared_error_is_there_when_it_has_a_weight() -> None:
    batch = hums(0.5, 0.6)
    without, with_it = made().loss(batch), made(mse_weight=0.5).loss(batch)
    assert with_it.keys() - without.keys() == {"mse"}
    assert with_it["mse"] > 0
    torch.testing.assert_close(with_it["loss"], without["loss"] + 0.5 * with_it["mse"])


@pytest.mark.parametrize("reduction", [1, 2, 5])
def test_any_number_of_frames_can_be_grouped(reduction: int) -> None:
    task, shapes = made(reduction), []
    task.tts.model.register_forward_pre_hook(lambda _, inputs: shapes.append(inputs[2].mel.shape))
    batch = hums(0.5, 0.3)
    assert math.isfinite(task.loss(batch)["loss"])
    frames = 4000 // 128 + 1
    assert shapes == [(2, math.ceil(frames / reduction) * reduction, 16)]


def test_padding_of_recordings_does_not_change_the_loss() -> None:
    task, batch = made().eval(), hums(0.5, 0.3)
    short = batch.waves[1].clone()
    short[2400 + 1280 :] = 0.5  # loud, but behind its end and further than a window sees
    loud = batch._replace(waves=torch.stack([batch.waves[0], short]))
    one, two = task.loss(batch), task.loss(loud)
    torch.testing.assert_close(one["mel"], two["mel"])
    torch.testing.assert_close(one["done"], two["done"], rtol=0.05, atol=0)


def test_only_embeddings_of_speakers_in_the_batch_are_trained() -> None:
    task, batch = made(), hums(0.5, 0.3)
    gradient = task.tts.table.weight.grad
    assert gradient is None
    task.loss(batch._replace(speakers=torch.tensor([1, 1])))["loss"].backward()
    gradient = task.tts.table.weight.grad
    assert gradient is not None
    assert not gradient[0].any()
    assert (gradient[1] != 0).all()


def test_voices_may_learn_faster_than_the_model() -> None:
    moved = {}
    for rate in (1.0, 4.0):
        task = made(speaker_lr_scale=rate)
        optimizer = task.configure_optimizers()["optimizer"]  # type: ignore[index,call-overload]
        before = {name: value.detach().clone() for name, value in task.named_parameters()}
        task.loss(hums(0.5, 0.3))["loss"].backward()
        optimizer.step()
        moved[rate] = {name: (value - before[name]).abs().max().item() for name, value in task.named_parameters()}
    voices = "tts.table.weight"
    assert moved[4.0][voices] == pytest.approx(4 * moved[1.0][voices], rel=1e-3)
    assert {name: by for name, by in moved[4.0].items() if name != voices} == pytest.approx(
        {name: by for name, by in moved[1.0].items() if name != voices}
    )


def test_voices_cannot_stand_still_or_go_back() -> None:
    with pytest.raises(ValueError, match=r"speaker_lr_scale .* above 0, got 0\.0"):
        made(speaker_lr_scale=0.0)


def test_a_voice_may_come_from_anywhere() -> None:
    task, batch = made().eval(), hums(0.5, 0.3)
    by_table = task.loss(batch)
    by_vector = tts_loss(task.tts, batch, task.tts.table.weight.detach()[[0, 1]])
    swapped = tts_loss(task.tts, batch, task.tts.table.weight.detach()[[1, 0]])
    assert by_vector["loss"] == by_table["loss"] != swapped["loss"]


def test_voices_are_small_and_different_at_first() -> None:
    voices = made(speaker_init_scale=0.02).tts.table.weight
    assert voices.shape == (2, 8)
    assert 0.005 < voices.abs().max() <= 0.02
    assert not voices[0].equal(voices[1])
    assert 0.05 < made().tts.table.weight.abs().max() <= 0.1


def test_a_loss_that_is_not_finite_ends_training_with_an_error() -> None:
    task, batch = made(), hums(0.5)
    with torch.no_grad():
        task.tts.table.weight.fill_(math.nan)
    with pytest.raises(ValueError, match="the loss became nan at step 0: lower the learning rate"):
        task.training_step(batch)


def test_it_knows_how_long_the_texts_were_that_it_learnt_from() -> None:
    task = made()
    task.setup("fit")
    assert task.tts.max_symbols == 150  # nothing was learnt yet, and `setup` is no learning
    for symbols, count in ((6, 18), (9, 1), (40, 1)):
        batch = hums(*[0.3] * count)
        task.loss(batch._replace(text=torch.full((count, symbols), 2)))
    assert task.tts.max_symbols == 9
    task.eval().loss(hums(*[0.3] * 100)._replace(text=torch.full((100, 50), 2)))
    assert task.tts.max_symbols == 9
    other = made()
    other.load_state_dict(task.state_dict())
    assert other.tts.max_symbols == 9


def test_training_starts_from_another_model() -> None:
    init_from, other = made().tts, made()
    with torch.no_grad():
        for value in init_from.parameters():
            value += 0.5
    init_from.speakers[:] = ["bob", "carl"]
    task = TTSTask(other.tts, init_from=init_from)
    weights = init_from.model.state_dict()
    assert all(value.equal(weights[name]) for name, value in task.tts.model.state_dict().items())
    ann, bob = task.tts.table.weight.detach()
    assert bob.equal(init_from.table.weight[0])
    assert ann.allclose(init_from.table.weight.mean(0))  # nothing is known of her
    with pytest.raises(ValueError, match="the model to start from has other sizes than the one to train"):
        TTSTask(other.tts, init_from=made(reduction=2).tts)
