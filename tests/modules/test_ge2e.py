import pytest
import torch
from torch import Tensor

from lightning_vc.modules.ge2e import GE2E, GE2EEncoder

SECOND = 16000


def recordings(*seconds: float) -> tuple[Tensor, Tensor]:
    """Noise of these lengths, padded with louder noise, and the lengths."""
    torch.manual_seed(0)
    lengths = torch.tensor([int(second * SECOND) for second in seconds])
    waves = torch.randn(len(lengths), int(lengths.max()))
    return torch.where(torch.arange(waves.shape[1]) < lengths.unsqueeze(1), 0.1 * waves, 9 * waves), lengths


@pytest.fixture
def network() -> GE2E:
    torch.manual_seed(0)
    return GE2E().eval()


@torch.no_grad()
def test_each_recording_has_its_vector_whatever_it_is_padded_with(network: GE2E) -> None:
    waves, lengths = recordings(4.0, 1.6, 2.81, 0.1)
    vectors = network(waves, lengths)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    for wave, length, vector in zip(waves, lengths, vectors, strict=True):
        alone = network(wave[:length].unsqueeze(0), length.unsqueeze(0))[0]
        torch.testing.assert_close(alone, vector, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize(("seconds", "segments"), [(0.1, 1), (1.6, 1), (1.96, 1), (1.98, 2), (3.2, 3), (10.0, 12)])
def test_segments_overlap_and_the_last_may_end_after_the_recording(
    network: GE2E, seconds: float, segments: int
) -> None:
    seen: list[torch.Size] = []
    network.lstm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    network(*recordings(seconds))
    assert seen == [(segments, 160, 40)]


def test_vectors_are_those_of_resemblyzer() -> None:
    resemblyzer = pytest.importorskip("resemblyzer", reason="resemblyzer is not installed")
    theirs = resemblyzer.VoiceEncoder("cpu", verbose=False)
    network = GE2E().eval()
    network.load_state_dict({name: theirs.state_dict()[name] for name in network.state_dict()})
    waves, lengths = recordings(4.0, 1.6, 2.81, 0.5)
    with torch.no_grad():
        vectors = network(waves, lengths)
    for wave, length, vector in zip(waves, lengths, vectors, strict=True):
        expected = torch.from_numpy(theirs.embed_utterance(wave[:length].numpy()))
        torch.testing.assert_close(vector, expected, atol=1e-4, rtol=0)


def test_only_the_head_learns() -> None:
    encoder = GE2EEncoder(speaker_dim=6).train()
    waves, lengths = recordings(2.0, 1.0, 1.5, 2.0)
    embedding = encoder(waves.unflatten(0, (2, 2)), lengths.unflatten(0, (2, 2)))
    assert embedding.shape == (2, 6)
    embedding.sum().backward()
    learning = {name for name, weight in encoder.named_parameters() if weight.grad is not None and weight.grad.any()}
    assert learning == {"head.weight", "head.bias"}
    assert {id(parameter) for parameter in encoder.trainable()} == {id(weight) for weight in encoder.head.parameters()}


@torch.no_grad()
def test_the_order_of_the_clips_means_nothing() -> None:
    encoder = GE2EEncoder(speaker_dim=6).eval()
    torch.nn.init.normal_(encoder.head.weight)
    waves, lengths = recordings(2.0, 1.0, 1.5)
    torch.testing.assert_close(encoder(waves[None], lengths[None]), encoder(waves.flip(0)[None], lengths.flip(0)[None]))
