import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from torch import Tensor, nn

from lightning_vc import Cloner, Voice
from lightning_vc.audio import io
from lightning_vc.audio.post_filter import PostFilter
from lightning_vc.audio.vocoder import GriffinLim, Vocoder
from lightning_vc.checkpoint import fingerprint, load_model, write_checkpoint
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.synthesis import Synthesizer
from lightning_vc.tasks.adaptation import AdaptationTask
from lightning_vc.tasks.base import Losses
from lightning_vc.types import Spectra, TTSBatch
from lightning_vc.untrusted import read_checkpoint
from tests.tiny import TinyRun

METHODS = ["encoder", "embedding", "low_rank", "whole_model"]
STEPS = {"encoder": None, "embedding": 2, "low_rank": 2, "whole_model": 2}
TEXT = "The old dog slept."


@pytest.fixture(scope="module")
def cloner(tiny_run: TinyRun) -> Cloner:
    return Cloner.load(tiny_run.folder)


@pytest.fixture(scope="module")
def clips(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two recordings of a speaker that nothing was trained on: one at another rate and in stereo, one as mp3."""
    folder = tmp_path_factory.mktemp("clips")
    first, second = (sample.wave(44100) for sample in tiny_run.samples()[:2])
    soundfile.write(folder / "a.wav", torch.stack([first, 0.5 * first], 1).numpy(), 44100)
    io.write(folder / "b.mp3", second, 44100)
    return [folder / "a.wav", folder / "b.mp3"]


@pytest.fixture(scope="module")
def transcripts(tiny_run: TinyRun) -> list[str]:
    return [sample.text or "" for sample in tiny_run.samples()[:2]]


@pytest.fixture(scope="module", params=METHODS)
def voice(cloner: Cloner, clips: list[Path], transcripts: list[str], request: pytest.FixtureRequest) -> Voice:
    """A voice by each method."""
    return cloner.clone(clips, request.param, transcripts, steps=STEPS[request.param])


def test_a_voice_is_the_embedding_and_the_trained_parameters(cloner: Cloner, voice: Voice) -> None:
    assert voice.embedding.shape == (8,)
    assert not voice.embedding.requires_grad
    assert (voice.clips, voice.tts_fingerprint) == (2, cloner.tts_fingerprint)
    average = cloner.tts.table.weight.detach().mean(0)
    assert not voice.embedding.equal(average)
    model = cloner.tts.model.state_dict()
    assert all(not value.equal(model[name]) for name, value in voice.adapted_parameters.items() if name in model)
    added = {name.rpartition(".")[2] for name in voice.adapted_parameters if name not in model}
    assert added == ({"up", "down"} if voice.method == "low_rank" else set())
    assert bool(voice.adapted_parameters) == (voice.method in ("low_rank", "whole_model"))
    numbers = sum(value.numel() for value in voice.adapted_parameters.values())
    if voice.method == "low_rank":
        assert numbers < 0.2 * sum(map(torch.numel, cloner.tts.model.parameters()))  # a tiny model has thin weights


def test_a_saved_voice_speaks_identically(cloner: Cloner, voice: Voice, tmp_path: Path) -> None:
    voice.save(tmp_path / "new" / "voice.safetensors")
    loaded = Voice.load(tmp_path / "new" / "voice.safetensors")
    assert loaded.about == voice.about
    assert loaded.seconds > 1
    one, two = cloner.say(TEXT, voice), cloner.say(TEXT, loaded)
    assert one.wave.equal(two.wave)
    assert one.wave.abs().max() > 0.01


def test_each_voice_speaks_differently(cloner: Cloner, clips: list[Path], transcripts: list[str]) -> None:
    by_encoder = cloner.clone(clips, "encoder")
    whole = cloner.clone(clips, "whole_model", transcripts, steps=2)
    vector_alone = replace(whole, adapted_parameters={})
    spoken = [cloner.say(TEXT, voice).spectra.linear for voice in (by_encoder, whole, vector_alone)]
    assert all(not spoken[i].equal(spoken[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_speaking_with_an_adapted_voice_does_not_change_the_model(cloner: Cloner, voice: Voice) -> None:
    cloner.say(TEXT, voice)
    assert fingerprint(cloner.tts) == cloner.tts_fingerprint


def test_fields_of_the_synthesised_speech(cloner: Cloner, voice: Voice) -> None:
    speech = cloner.say("Dr. Smith has 2 dogs!", voice)
    assert speech.text == "Dr. Smith has 2 dogs!"
    assert speech.symbols[-2:] == ("!", "<end>")
    assert {"/t/", "/ˈu/"} <= set(speech.symbols)  # 2
    ((hops, steps, symbols),) = (alignment.shape for alignment in speech.alignments)
    frames = speech.spectra.mel.shape[1]
    assert symbols == len(speech.symbols)
    assert hops >= 1
    assert frames == steps * cloner.tts.model.reduction
    assert speech.spectra.linear.shape[:2] == (1, frames)
    assert len(speech.wave) == (frames - 1) * cloner.tts.spectrograms.hop
    assert speech.sample_rate == 16000
    assert speech.wave.abs().max() <= 1


def test_sentences_at_once_are_the_sentences_one_by_one(cloner: Cloner, voice: Voice) -> None:
    texts = ["A dog.", "The old dog slept under the tree near the river."]
    together = cloner.say_all(texts, voice)
    for text, speech in zip(texts, together, strict=True):
        alone = cloner.say(text, voice)
        assert alone.symbols == speech.symbols
        torch.testing.assert_close(speech.spectra.linear, alone.spectra.linear, atol=1e-3, rtol=0)
        for together_, alone_ in zip(speech.alignments, alone.alignments, strict=True):
            torch.testing.assert_close(together_, alone_, atol=1e-3, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_clips_in_any_order_make_the_same_voice(
    cloner: Cloner, clips: list[Path], transcripts: list[str], method: str
) -> None:
    one = cloner.clone(clips, method, transcripts, STEPS[method])
    two = cloner.clone(clips[::-1], method, transcripts[::-1], STEPS[method])
    assert one.embedding.equal(two.embedding)
    assert one.adapted_parameters.keys() == two.adapted_parameters.keys()
    assert all(value.equal(two.adapted_parameters[name]) for name, value in one.adapted_parameters.items())


def test_adaptation_leaves_the_base_and_the_folder_alone(
    tiny_run: TinyRun, clips: list[Path], transcripts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = hashlib.sha256(tiny_run.tts.read_bytes()).digest()
    cloner = Cloner.load(tiny_run.tts)
    for method in ("embedding", "whole_model"):
        cloner.clone(clips, method, transcripts, steps=1)
    assert hashlib.sha256(tiny_run.tts.read_bytes()).digest() == before
    assert fingerprint(cloner.tts) == cloner.tts_fingerprint
    assert list(tmp_path.iterdir()) == []


def test_more_steps_come_closer_to_the_clips(cloner: Cloner, clips: list[Path], transcripts: list[str]) -> None:
    average = cloner.tts.table.weight.detach().mean(0)
    near, far = (cloner.clone(clips, "embedding", transcripts, steps, "mean").embedding for steps in (1, 8))
    assert 0 < (near - average).abs().max() < (far - average).abs().max()


def test_adaptation_can_start_from_the_encoders_prediction(
    cloner: Cloner, clips: list[Path], transcripts: list[str]
) -> None:
    heard = cloner.clone(clips).embedding
    begun = cloner.clone(clips, "embedding", transcripts, steps=1).embedding
    average = cloner.clone(clips, "embedding", transcripts, steps=1, init="mean").embedding
    assert (begun - heard).abs().max() < 0.011  # a step of Adam with lr 0.01
    assert (average - heard).abs().max() > 0.02
    with pytest.raises(ValueError, match="has no speaker encoder: use mean"):
        Cloner(cloner.tts).clone(clips, "embedding", transcripts, steps=1, init="encoder")


def test_a_method_of_ones_own_by_its_path(cloner: Cloner, clips: list[Path], transcripts: list[str]) -> None:
    voice = cloner.clone(clips, "tests.tasks.test_adaptation.ConverterAdaptationTask", transcripts, steps=1)
    assert {name.partition(".")[0] for name in voice.adapted_parameters} == {"converter"}


def test_consent_is_stored_in_the_voice(cloner: Cloner, clips: list[Path]) -> None:
    assert cloner.clone(clips, consent="for tests, by mail of 1 May").consent == "for tests, by mail of 1 May"


def test_the_embedding_depends_on_all_clips(cloner: Cloner, clips: list[Path]) -> None:
    assert not cloner.clone(clips).embedding.allclose(cloner.clone(clips[:1]).embedding, atol=1e-6)


def test_a_vocoder_of_ones_own(cloner: Cloner, clips: list[Path]) -> None:
    class Beep(Vocoder):
        def forward(self, spectra: Spectra, post_filter: PostFilter | None = None) -> Tensor:
            return torch.full((1, 7), 0.25)

    beeping = Cloner(cloner.tts, cloner.encoder, Beep())
    assert beeping.say(TEXT, cloner.clone(clips)).wave.tolist() == [0.25] * 7


def with_options(checkpoint: Path, folder: Path, **options: Any) -> Path:
    """The same weights as if they had been trained with these options."""
    saved = read_checkpoint(checkpoint)
    (config,) = saved["models"].values()
    config["init_args"] |= options
    write_checkpoint(saved, folder / "last.ckpt")
    return folder / "last.ckpt"


def test_griffin_lim_sharpens_as_the_model_was_trained_to_be(
    tiny_run: TinyRun, cloner: Cloner, clips: list[Path], tmp_path: Path
) -> None:
    sharper = Cloner.load(with_options(tiny_run.tts, tmp_path, post_filter={"power": 1.0, "contrast": 1.5}))
    voice, griffin_lim = cloner.clone(clips), GriffinLim(cloner.tts.spectrograms)
    said, otherwise = (each.say("The dog slept.", voice) for each in (cloner, sharper))
    assert otherwise.spectra.linear.equal(said.spectra.linear)
    assert otherwise.wave.equal(griffin_lim(said.spectra, PostFilter(power=1.0, contrast=1.5))[0])
    assert said.wave.equal(griffin_lim(said.spectra, PostFilter(power=1.4))[0])


def test_the_adapted_post_filter_applies_to_adapted_voices_only(
    tiny_run: TinyRun, cloner: Cloner, clips: list[Path], tmp_path: Path
) -> None:
    settings = {"power": 1.4, "denoise": 8.0}
    cleaning = Cloner.load(with_options(tiny_run.tts, tmp_path, adapted_post_filter=settings))
    voice, griffin_lim = cloner.clone(clips), GriffinLim(cloner.tts.spectrograms)
    name, weight = next(iter(cloner.tts.model.named_parameters()))
    adapted = replace(voice, method="whole_model", adapted_parameters={name: weight.detach().clone()})
    for each, denoise in ((voice, 0.0), (adapted, 8.0)):
        said = cleaning.say("The dog slept.", each)
        assert said.wave.equal(griffin_lim(said.spectra, PostFilter(power=1.4, denoise=denoise))[0])
        assert said.wave.equal(cloner.say("The dog slept.", each).wave) == (denoise == 0)


def test_heard_voices_are_moved_away_from_the_mean(
    tiny_run: TinyRun, cloner: Cloner, clips: list[Path], tmp_path: Path
) -> None:
    mean, near = cloner.tts.table.weight.detach().mean(0), cloner.clone(clips).embedding
    saved = read_checkpoint(tiny_run.encoder)
    saved["state_dict"]["encoder.embedding_gain"].fill_(1.5)
    write_checkpoint(saved, tmp_path / "encoder.ckpt")
    encoder = load_model(tmp_path / "encoder.ckpt", SpeakerEncoder)  # type: ignore[type-abstract]
    far = Cloner(cloner.tts, encoder).clone(clips).embedding
    torch.testing.assert_close(far - mean, 1.5 * (near - mean))
    assert not far.allclose(near)


def test_one_checkpoint_is_enough_to_adapt_and_to_speak(tiny_run: TinyRun, cloner: Cloner, clips: list[Path]) -> None:
    alone = Cloner.load(tiny_run.tts)
    assert len(alone.say(TEXT, cloner.clone(clips)).wave) > 0
    with pytest.raises(ValueError, match=r"last\.ckpt has no speaker encoder: load the folder of a run"):
        alone.clone(clips, "encoder")


# What is refused


@pytest.fixture
def other_model(tiny_run: TinyRun, tmp_path: Path) -> Path:
    """The same model with one weight that is different."""
    saved = read_checkpoint(tiny_run.tts)
    saved["state_dict"]["tts.table.weight"][0, 0] += 1
    write_checkpoint(saved, tmp_path / "other.ckpt")
    return tmp_path / "other.ckpt"


def test_a_voice_of_another_model(cloner: Cloner, clips: list[Path], other_model: Path) -> None:
    voice = cloner.clone(clips)
    with pytest.raises(ValueError, match=rf"model .{cloner.tts_fingerprint}., and .*other\.ckpt is .*: clone it again"):
        Cloner.load(other_model).say(TEXT, voice)


def test_an_encoder_of_another_model(cloner: Cloner, other_model: Path) -> None:
    with pytest.raises(ValueError, match=r"encoder/last\.ckpt was trained for .* another model than .*other\.ckpt"):
        Cloner(load_model(other_model, TTSModel), cloner.encoder)


def test_checkpoints_of_another_kind(tiny_run: TinyRun, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"names .*ConvAttentionEncoder, where a class derived from TTSModel"):
        Cloner.load(tiny_run.encoder)
    with pytest.raises(FileNotFoundError, match=r"no tts/last\.ckpt in .*: name the folder of a run"):
        Cloner.load(tmp_path)


def silent(path: Path) -> None:
    io.write(path, torch.zeros(16000), 16000)


def samples_of_nothing(path: Path) -> None:
    soundfile.write(path, torch.zeros(0).numpy(), 16000)


def bytes_of_nothing(path: Path) -> None:
    path.touch()


def no_sound(path: Path) -> None:
    path.write_text("hello")


def missing(path: Path) -> None:
    pass


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (missing, FileNotFoundError, r"bad\.wav: no such recording"),
        (bytes_of_nothing, ValueError, r"bad\.wav cannot be read as audio"),
        (samples_of_nothing, ValueError, r"bad\.wav is empty"),
        (silent, ValueError, r"bad\.wav is silent"),
        (no_sound, ValueError, r"bad\.wav cannot be read as audio"),
    ],
)
def test_unusable_clips_are_refused(
    cloner: Cloner,
    clips: list[Path],
    transcripts: list[str],
    tmp_path: Path,
    method: str,
    write: Callable[[Path], None],
    error: type[Exception],
    message: str,
) -> None:
    write(tmp_path / "bad.wav")
    with pytest.raises(error, match=message):
        cloner.clone([clips[0], tmp_path / "bad.wav"], method, transcripts)


def test_no_clips(cloner: Cloner) -> None:
    with pytest.raises(ValueError, match="no clips to clone from: give at least one"):
        cloner.clone([])


def test_an_unknown_method(cloner: Cloner, clips: list[Path]) -> None:
    with pytest.raises(
        ValueError, match="unknown method 'magic': choose one of encoder, embedding, low_rank, whole_model, or name"
    ):
        cloner.clone(clips, "magic")
    with pytest.raises(ValueError, match=r"'torch\.nn\.Linear' is not a concrete subclass of AdaptationTask"):
        cloner.clone(clips, "torch.nn.Linear")
    with pytest.raises(ValueError, match=r"AdaptationTask' is not a concrete subclass of AdaptationTask"):
        cloner.clone(clips, "lightning_vc.tasks.adaptation.AdaptationTask")
    with pytest.raises(ValueError, match=r"unknown method '\.\.mine'"):
        cloner.clone(clips, "..mine")


class VoiceTask(AdaptationTask):
    """As short as a method can be."""

    def trainable(self) -> Iterable[nn.Parameter]:
        return [self.embedding]


class PickyTask(VoiceTask):
    """It wants more than a model."""

    def __init__(self, tts: TTSModel, colour: str, **options: Any) -> None:
        super().__init__(tts, **options)


class AddingTask(VoiceTask):
    """It adds what no voice holds."""

    def __init__(self, tts: TTSModel, **options: Any) -> None:
        super().__init__(tts, **options)
        self.tts.model.added = nn.Parameter(torch.zeros(1))

    def loss(self, batch: TTSBatch) -> Losses:
        raise AssertionError("it is refused before it is trained")


def test_a_method_of_ones_own_needs_little_and_can_add_nothing(
    cloner: Cloner, clips: list[Path], transcripts: list[str]
) -> None:
    voice = cloner.clone(clips, "tests.test_cloning.VoiceTask", transcripts, steps=1)
    assert not voice.embedding.equal(cloner.clone(clips).embedding)
    with pytest.raises(ValueError, match=r"PickyTask' must take tts, init and encoder: .*colour"):
        cloner.clone(clips, "tests.test_cloning.PickyTask", transcripts, steps=1)
    with pytest.raises(ValueError, match="AddingTask adds parameters that a voice cannot store"):
        cloner.clone(clips, "tests.test_cloning.AddingTask", transcripts, steps=1)


def test_an_unknown_start(cloner: Cloner, clips: list[Path], transcripts: list[str]) -> None:
    with pytest.raises(ValueError, match="unknown init 'near': choose one of mean, encoder"):
        cloner.clone(clips, "embedding", transcripts, 1, init="near")


@pytest.mark.parametrize("method", ["embedding", "whole_model"])
@pytest.mark.parametrize(("said", "got"), [(None, "0 transcripts"), (["one"], "1 transcripts"), ([], "0 trans")])
def test_a_clip_without_a_transcript(
    cloner: Cloner, clips: list[Path], method: str, said: list[str] | None, got: str
) -> None:
    with pytest.raises(ValueError, match=f"{method}.* needs a transcript of each clip: 2 clips, {got}"):
        cloner.clone(clips, method, said)


@pytest.mark.parametrize("text", ["*** ###", "", "...!"])
def test_a_text_of_nothing_but_symbols(cloner: Cloner, clips: list[Path], text: str) -> None:
    voice = cloner.clone(clips)
    refused = (
        lambda: cloner.say(text, voice),
        lambda: cloner.say_all([TEXT, text], voice),
        lambda: cloner.check(text),
        lambda: cloner.clone(clips, "embedding", [TEXT, text]),
    )
    for refuse in refused:
        with pytest.raises(ValueError, match=re.escape(f"text '{text}' has nothing to speak")):
            refuse()


@pytest.mark.parametrize("steps", [0, -1])
def test_steps_without_end_or_beginning(cloner: Cloner, clips: list[Path], transcripts: list[str], steps: int) -> None:
    with pytest.raises(ValueError, match=f"must be 1 or more, got {steps}"):
        cloner.clone(clips, "embedding", transcripts, steps)


def test_how_loud_the_clips_are_does_not_matter(cloner: Cloner, clips: list[Path], tmp_path: Path) -> None:
    quiet = [tmp_path / f"{number}.wav" for number in range(len(clips))]
    for path, clip in zip(quiet, clips, strict=True):
        io.write(path, io.read(clip, 16000) * 0.1, 16000)
    torch.testing.assert_close(cloner.clone(quiet).embedding, cloner.clone(clips).embedding, atol=2e-4, rtol=0)


@pytest.mark.parametrize("samples", [torch.zeros(16000), torch.zeros(16000).numpy()])
def test_samples_are_no_clips(cloner: Cloner, samples: Any) -> None:
    with pytest.raises(TypeError, match=f"clips is of type {type(samples).__name__}: give a list of clips, such as"):
        cloner.clone(samples)
    with pytest.raises(ValueError, match=f"clip 1 is of type {type(samples).__name__} without a sample rate"):
        cloner.clone([samples])


def test_one_path_is_no_list(cloner: Cloner) -> None:
    with pytest.raises(ValueError, match=r"clips is the one path 'a\.wav': give a list"):
        cloner.clone("a.wav")


def test_the_encoder_method_refuses_options_of_adaptation(cloner: Cloner, clips: list[Path]) -> None:
    with pytest.raises(ValueError, match="takes no steps, got 5"):
        cloner.clone(clips, "encoder", steps=5)
    with pytest.raises(ValueError, match="takes no init, got 'mean'"):
        cloner.clone(clips, "encoder", init="mean")


@pytest.mark.usefixtures("printed")
def test_letters_that_are_left_out_are_named(cloner: Cloner, capsys: pytest.CaptureFixture[str]) -> None:
    cloner.stream("Привет, hello 🙂", cloner.speakers[0])
    assert "the text has 'Привет🙂', which cannot be spoken" in capsys.readouterr().err
    cloner.stream("Café, “hello”", cloner.speakers[0])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("voice", "complaint"),
    [
        (lambda base: Voice(torch.zeros(9), "encoder", base, 1), r"has \(9,\) numbers, .* needs 8"),
        (
            lambda base: Voice(torch.zeros(8), "x", base, 1, {"adapter.weight": torch.zeros(1)}),
            r"has parameters that .* does not have \(it has no adapter\.weight\)",
        ),
        (
            lambda base: Voice(torch.zeros(8), "x", base, 1, {"converter.leave.bias": torch.zeros(1)}),
            r"has parameters that .* does not have \(its converter.leave.bias has the shape \(.*\), not \(1,\)\)",
        ),
        (
            lambda base: Voice(torch.full((8,), 3e38), "encoder", base, 1),
            "the output of the model for this voice has NaN or infinite numbers",
        ),
    ],
)
def test_a_voice_that_does_not_fit(cloner: Cloner, voice: Callable[[str], Voice], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        cloner.say("Hello.", voice(cloner.tts_fingerprint))


def test_an_encoder_that_predicts_nan_is_refused(tiny_run: TinyRun, clips: list[Path]) -> None:
    cloner = Cloner.load(tiny_run.folder)
    assert cloner.encoder is not None
    torch.nn.init.constant_(next(cloner.encoder.parameters()), torch.nan)
    with pytest.raises(ValueError, match=r"the embedding that .*last\.ckpt predicts has numbers that are NaN"):
        cloner.clone(clips)


def test_a_vocoder_that_makes_nan_is_refused(cloner: Cloner) -> None:
    class Nothing(Vocoder):
        def forward(self, spectra: Spectra, post_filter: PostFilter | None = None) -> Tensor:
            return torch.full((1, 100), torch.nan)

    voice = Voice(torch.zeros(8), "encoder", cloner.tts_fingerprint, 1)
    synthesizer = Synthesizer(cloner.tts, voice.embedding, Nothing())
    for speaking in (lambda: synthesizer.speak(["Hello."]), lambda: list(synthesizer.stream("Hello."))):
        with pytest.raises(ValueError, match="the vocoder makes sound of NaN or infinite numbers"):
            speaking()


def test_a_consent_that_no_file_can_hold_is_refused_first(cloner: Cloner) -> None:
    with pytest.raises(ValueError, match="consent of a voice has 1000000 letters"):
        cloner.clone(["no such clip.wav"], consent="x" * 10**6)


def test_settings_that_do_not_go_together_are_refused_when_they_are_used(
    tiny_run: TinyRun, tmp_path: Path, clips: list[Path]
) -> None:
    saved = read_checkpoint(tiny_run.tts)
    saved["models"]["tts."]["init_args"]["model"]["init_args"]["encoder"]["init_args"]["n_symbols"] = 3
    weights = saved["state_dict"]
    for name in ("tts.model.encoder.embed.weight", "tts.model.aligner.embed.weight"):
        weights[name] = weights[name][:3].clone()
    write_checkpoint(saved, tmp_path / "odd.ckpt")
    cloner = Cloner.load(tmp_path / "odd.ckpt")
    voice = Voice(torch.zeros(8), "encoder", cloner.tts_fingerprint, 1)
    for speaking in (lambda: cloner.say("Hello.", voice), lambda: list(cloner.stream("Hello.", voice))):
        with pytest.raises(ValueError, match=r"odd\.ckpt cannot be used, its settings do not go together \(index"):
            speaking()
