import torch

from lightning_vc.modules.text_encoder import TextEncoder
from lightning_vc.text.symbols import SYMBOLS


def made() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(speaker_dim=4, embedding=16, channels=12, layers=3).eval()


def test_shapes() -> None:
    encoder = made()
    keys, values = encoder(torch.randint(1, len(SYMBOLS), (2, 7)), torch.randn(2, 4))
    assert keys.shape == values.shape == (2, 7, encoder.dim) == (2, 7, 16)


def test_a_text_in_a_batch_is_read_as_alone() -> None:
    encoder, voice = made(), torch.randn(2, 4)
    long, short = torch.randint(1, len(SYMBOLS), (9,)), torch.randint(1, len(SYMBOLS), (4,))
    batch = torch.nn.utils.rnn.pad_sequence([long, short], batch_first=True)
    together = encoder(batch, voice)
    for i, text in enumerate((long, short)):
        alone = encoder(text.unsqueeze(0), voice[i : i + 1])
        for one, both in zip(alone, together, strict=True):
            torch.testing.assert_close(both[i, : len(text)], one[0], atol=1e-5, rtol=0)


def test_the_output_depends_on_text_and_speaker() -> None:
    encoder, text = made(), torch.tensor([[5, 6, 7, 8]])
    keys, _ = encoder(text, torch.ones(1, 4))
    assert (encoder(text, -torch.ones(1, 4))[0] - keys).abs().mean() > 0.01
    other, _ = encoder(torch.tensor([[5, 6, 9, 8]]), torch.ones(1, 4))
    assert ((other - keys).abs().amax((0, 2)) > 0).all()  # a change is heard two symbols away


def test_padding_is_never_learnt() -> None:
    encoder = made()
    keys, _ = encoder(torch.tensor([[5, 0]]), torch.randn(1, 4))
    keys.sum().backward()
    gradient = encoder.embed.weight.grad
    assert gradient is not None
    assert not gradient[0].any()
    assert gradient[5].any()
    assert not encoder.embed.weight[0].any()
