import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_vc import Voice
from lightning_vc.audio import io
from lightning_vc.checkpoint import write_checkpoint
from lightning_vc.recipes import evaluate, prepare
from lightning_vc.untrusted import read_checkpoint
from tests.evaluation.command import SENTENCES, evaluate_flags
from tests.evaluation.conftest import Evaluated
from tests.evaluation.external import EXTERNAL
from tests.tiny import TinyRun

pytestmark = pytest.mark.timeout(900)  # the first test waits for the whole evaluation
METHODS = ["encoder", "joint", "whole_model"]
FEMALE, MALE = "male voices made female", "female voices made male"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


def results(folder: Path) -> dict[tuple[str, int | None, str], dict[str, Any]]:
    """Those that are not by steps."""
    figures = json.loads((folder / "results.json").read_text())["results"]
    return {(item["system"], item["clips"], item["measure"]): item for item in figures if item["steps"] is None}


def refusal(flags: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        evaluate.main(flags)
    printed = capsys.readouterr().err
    assert end.value.code == (2 if "usage: " in printed else 1)  # for a wrong option, or for what it names
    return printed


def test_the_layout_is_what_it_says(evaluated: Evaluated) -> None:
    out = evaluated.out
    folders = ["baselines", "clips", "clones", "edited", "real", "steps", "training", "wandb"]
    files = [".evaluation", "report.html", "results.json", "results.md", "scores.jsonl"]
    assert names(out) == sorted([*folders, *files])
    assert names(out / "clones") == sorted(f"{method}-0{clips}" for method in METHODS for clips in (1, 3))
    assert names(out / "steps") == ["whole_model-01-2"]
    assert names(out / "baselines") == ["mean", "table", "vocoded"]
    for speaker in evaluated.speakers:
        assert names(out / "clips" / speaker) == ["01.wav", "02.wav", "03.wav", "transcripts.tsv"]
        assert names(out / "real" / speaker) == ["01.wav", "02.wav", "03.wav", "04.wav", "transcripts.tsv"]
        for method in METHODS:
            for clips in (1, 3):
                folder = out / "clones" / f"{method}-0{clips}" / speaker
                assert names(folder) == ["01.wav", "02.wav", "scores.jsonl", "voice.safetensors"]
                voice = Voice.load(folder / "voice.safetensors")
                assert (voice.method, voice.clips) == ("encoder" if method == "joint" else method, clips)
    for sound in out.rglob("*.wav"):
        assert "wandb" in sound.parts or io.read(sound, 16000).abs().max() > 0.01, sound


def test_foreign_files_in_the_folder_are_not_deleted(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "out" / "clips" / "alice" / "song.wav"
    mine.parent.mkdir(parents=True)
    mine.write_text("a song")
    err = refusal(evaluate_flags(tiny_run, tmp_path / "out"), capsys)
    assert "no evaluation wrote them: give another folder" in err
    assert mine.read_text() == "a song"
    assert names(tmp_path / "out") == ["clips"]


def test_clips_and_other_recordings_are_different_ones_with_their_words(
    evaluated: Evaluated, tiny_run: TinyRun
) -> None:
    speaker = evaluated.speakers[0]
    places = [evaluated.out / kind / speaker for kind in ("clips", "real")]
    waves = [io.read(place / f"0{n}.wav", 16000) for place in places for n in (1, 2, 3)]
    transcripts = {len(sample.wave(16000)): sample.text for sample in tiny_run.samples()}
    assert len({len(wave) for wave in waves} & transcripts.keys()) == 6
    for number, place in enumerate(places):
        table = (place / "transcripts.tsv").read_text().splitlines()[:3]
        assert table == [f"0{n + 1}.wav\t{transcripts[len(waves[3 * number + n])]}" for n in range(3)]


def test_costs_and_attention_are_recorded(evaluated: Evaluated) -> None:
    for method in METHODS:
        folder = evaluated.out / "clones" / f"{method}-03" / evaluated.speakers[0]
        records = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
        (costs,) = records  # this model has no attention that could fail
        assert costs["cloning_seconds"] > 0
        assert costs["real_time_factor"] > 0
        assert costs["parameters"] > 100 if method == "whole_model" else costs["parameters"] == 8
        assert costs["bytes"] == (folder / "voice.safetensors").stat().st_size
    page = (evaluated.out / "report.html").read_text()
    assert page.index("<h2>Costs") < page.index("parameters of") < page.index("about 1.5") < page.index("Not measured")


def with_likeness(folder: Path, count: int) -> int:
    """How many of `count` sounds are long enough for a speaker embedding: those of the tiny model may not be."""
    sounds = [io.read(file, 16000) for file in folder.rglob("*.wav")]
    assert len(sounds) == count
    return sum(len(sound) >= 0.25 * 16000 for sound in sounds)


def test_floors_and_ceilings_stand_beside_the_clones(evaluated: Evaluated) -> None:
    figures = results(evaluated.out)
    vocoded = figures["real recordings through the vocoder", None, "similarity"]
    mean = figures["the mean speaker", None, "likeness"]
    assert vocoded["low"] <= vocoded["value"] <= vocoded["high"]
    assert (vocoded["sounds"], mean["sounds"]) == (2, with_likeness(evaluated.out / "baselines/mean", 4))
    table = figures["the model's own speakers", None, "likeness"]["sounds"]
    assert table == with_likeness(evaluated.out / "baselines/table", 8)
    clones = figures["encoder", 3, "likeness"]["sounds"]
    assert clones == with_likeness(evaluated.out / "clones/encoder-03", 4)
    places = [evaluated.out / "baselines/mean" / speaker / "01.wav" for speaker in evaluated.speakers]
    assert places[0].read_bytes() == places[1].read_bytes()


def test_systems_whose_scores_are_known(evaluated: Evaluated) -> None:
    figures = {key: figure["value"] for key, figure in results(evaluated.out).items()}
    for name in ("shuffled", "silence", "noise"):
        assert figures[name, None, "likeness"] < figures["same", None, "likeness"]


def test_speaker_metrics_exclude_training_recordings(evaluated: Evaluated) -> None:
    figures = results(evaluated.out)
    assert figures["encoder", 3, "accuracy"]["sounds"] == 2 * len(SENTENCES)
    assert 0 <= figures["encoder", 3, "accuracy"]["value"] <= 1
    # The classifier has learnt some of the recordings, who are copied and take the place of others too.
    counts = {
        figures[row, None, "accuracy"]["sounds"] for row in ("real recordings", "real recordings of another speaker")
    }
    assert len(counts) == 1
    assert counts.pop() < 8
    assert figures["encoder", 1, "eer_1"]["sounds"] == 2 * len(SENTENCES)
    for row in ("real recordings", "real recordings through the vocoder", "real recordings of another speaker"):
        assert figures[row, None, "eer_1"]["sounds"] == 6  # one of each speaker's four is enrolled
    assert figures["the model's own speakers", None, "eer_5"]["sounds"] == 8
    assert ("encoder", 3, "eer_5") not in figures  # there are no six recordings


def test_voices_are_edited(evaluated: Evaluated) -> None:
    figures = results(evaluated.out)
    counts = [figures[row, None, "sex"]["sounds"] for row in (FEMALE, MALE)]
    assert sum(counts) == figures["the model's own speakers", None, "sex"]["sounds"] == 8
    assert (FEMALE, None, "accuracy") not in figures
    assert (FEMALE, None, "likeness") not in figures  # nobody is like that
    assert figures["voices moved to another accent", None, "accent"]["sounds"] == 8
    table, sex, accent = (
        {path.parent.name: Voice.load(path).embedding for path in (evaluated.out / kind).rglob("*.safetensors")}
        for kind in ("baselines/table", "edited/sex", "edited/accent")
    )
    for edited in (sex, accent):
        assert edited.keys() == table.keys()
        assert all((edited[id] - vector).abs().max() > 1e-3 for id, vector in table.items())
    to_male, to_female = ([sex[id] - table[id] for id in table if id[0] == letter] for letter in "fm")
    for way in to_female:
        torch.testing.assert_close(way, -to_male[0], atol=1e-5, rtol=1e-4)


def test_objective_metrics_score_each_sound_once(evaluated: Evaluated) -> None:
    figures = results(evaluated.out)
    for row in ("real recordings", "the mean speaker", "the model's own speakers"):
        assert figures[row, None, "similarity"]["value"] == pytest.approx(0.9)
    assert [figures["joint", clips, "similarity"]["value"] for clips in (1, 3)] == pytest.approx([0.1, 0.3])
    assert figures["encoder", 3, "word_error_rate"]["value"] == pytest.approx(1 / len(SENTENCES[0].split()), abs=1e-4)
    assert all(sound.path.stem == "01" and sound.row.steps is None for sound in evaluated.scored)
    assert len(evaluated.scored) == len(set(evaluated.scored))


def test_everything_goes_to_wandb(evaluated: Evaluated) -> None:
    runs = list((evaluated.out / "wandb").glob("offline-run-*"))
    kinds = {path.suffix for run in runs for path in (run / "files" / "media").rglob("*.*")}
    assert kinds == {".png", ".html", ".json", ".wav"}


def test_steps_of_adaptation_are_adaptations_of_their_own(evaluated: Evaluated) -> None:
    figures = json.loads((evaluated.out / "results.json").read_text())["results"]
    assert {item["steps"] for item in figures if item["system"] == "whole_model"} == {None, 2}
    assert not any(item["system"] == "embedding" for item in figures)  # which is none of the methods
    one, two = (
        Voice.load(evaluated.out / kind / evaluated.speakers[0] / "voice.safetensors")
        for kind in ("clones/whole_model-01", "steps/whole_model-01-2")
    )
    assert not one.embedding.equal(two.embedding)  # clones take one step here


class Page(HTMLParser):
    """What a page loads, and its headings and rows."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[tuple[str, str]] = []
        self.headings: list[str] = []
        self.rows = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [(tag, value or "") for name, value in attrs if name in ("src", "href", "data", "poster")]
        self.rows += tag == "tr"

    def handle_data(self, data: str) -> None:
        if self.get_starttag_text() in ("<h1>", "<h2>", "<h3>"):
            self.headings.append(data.strip())


def test_the_report_needs_nothing_else(evaluated: Evaluated) -> None:
    text = (evaluated.out / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|<script|<link|@import", text)
    page = Page()
    page.feed(text)
    assert all(address.startswith("data:") for _, address in page.loaded)
    sounds = [address for tag, address in page.loaded if tag == "audio"]
    pictures = [address for tag, address in page.loaded if tag == "img"]
    columns = 1 + len(METHODS) + len(EXTERNAL)  # real recordings, clones from most clips, and the others'
    assert len(sounds) == 2 * (3 + (columns - 1) * len(SENTENCES))
    assert len(pictures) == 2 * columns + 4  # accuracy and similarity by clips, by steps, and the space of embeddings
    assert all(address.startswith("data:audio/mpeg;base64,") and len(address) > 1000 for address in sounds)
    assert all(address.startswith("data:image/png;base64,") and len(address) > 1000 for address in pictures)
    assert page.headings.count("whole_model") == len(evaluated.speakers)
    order = ["real recordings", "Results", "Speaker similarity", "By steps of adaptation", "Costs", "Not measured"]
    assert [page.headings.index(heading) for heading in order] == sorted(page.headings.index(item) for item in order)
    assert "Is &lt;this&gt; a cat &amp; dog?" in text
    line = (evaluated.out / "real" / evaluated.speakers[0] / "transcripts.tsv").read_text().splitlines()[0]
    assert f"<p>{line.partition(chr(9))[2]}</p>" in text
    assert "<li>Naturalness (p808) needs metrics.objective.</li>" in text


def test_an_interrupted_evaluation_goes_on(evaluated: Evaluated, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(evaluated.out, out, ignore=shutil.ignore_patterns("wandb"))
    before = contents(out)
    speaker = evaluated.speakers[0]
    place = out / "clones" / "encoder-01" / speaker
    record = out / "scores.jsonl"
    lines = record.read_text().splitlines()
    record.write_text("\n".join([*lines[:-2], lines[-2][:20]]))  # killed while it wrote
    lost = [place / "02.wav", out / "baselines" / "mean" / speaker / "scores.jsonl"]
    for path in (*lost, out / "report.html", out / "results.json"):
        path.unlink()
    shutil.rmtree(out / "real")
    times = {
        path: path.stat().st_mtime_ns
        for kind in ("clones", "steps", "baselines/mean")
        for path in (out / kind).rglob("*.*")
    }
    n_scored = len(evaluated.scored)
    evaluated.run(out)
    again = {path.parent for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert again == {path.parent for path in lost}  # where something was lost all is made again, and nowhere else
    assert len(evaluated.scored) == n_scored + 2
    after = {path: content for path, content in contents(out).items() if path.parts[0] != "wandb"}
    differing = {"scores.jsonl", "voice.safetensors", "report.html"}  # times, and the date in the header of voices
    assert after.keys() == before.keys()
    assert [path for path in before if path.name not in differing and after[path] != before[path]] == []
    assert sorted(record.read_text().splitlines()) == sorted(lines)


def test_an_evaluation_is_reproducible_and_depends_on_its_settings(
    evaluated: Evaluated, tiny_run: TinyRun, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    for part in ("tts", "encoder"):
        shutil.copytree(tiny_run.folder / part, model / part)
    flags = [*evaluate_flags(tiny_run, tmp_path / "out"), "--systems.methods=[encoder]", "--model", str(model)]
    evaluate.main(flags)
    first = contents(tmp_path / "out")
    for path, content in first.items():
        if path.suffix == ".wav":
            assert (evaluated.out / path).read_bytes() == content, path

    saved = read_checkpoint(tiny_run.tts)
    saved["models"]["tts."]["init_args"]["post_filter"] = {"power": 1.1}
    write_checkpoint(saved, model / "tts" / "last.ckpt")
    evaluate.main([*flags, "--speakers", f"[{evaluated.speakers[1]}]"])
    assert names(tmp_path / "out/clones/encoder-03") == names(tmp_path / "out/real") == [evaluated.speakers[1]]
    sound = Path("clones", "encoder-03", evaluated.speakers[1], "01.wav")
    by_vocoder = (tmp_path / "out" / sound).read_bytes()
    assert by_vocoder != first[sound]

    (tmp_path / "sentences.txt").write_text("Another sentence altogether.\n")
    evaluate.main(flags)
    assert (tmp_path / "out" / sound).read_bytes() != by_vocoder


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--systems.clips", "[7]"], "7 transcribed clips: cloning from 7 needs more"),
        (["--systems.clips", "[0,3]"], "systems.clips"),
        (["--systems.clips", "[]"], "systems.clips is an empty list: leave the option out"),
        (["--systems.methods", "[]"], "systems.methods is an empty list"),
        (["--speakers", "[]"], "speakers is an empty list"),
        (["--systems.steps", "[1]", "--systems.methods", "[encoder]"], "systems.steps needs a method that adapts"),
        (["--systems.methods", "[joint]"], "method 'joint' needs the folder of a joint fine-tuning"),
        (["--systems.joint", "nowhere"], "no checkpoint at nowhere"),
        (["--metrics.sentences", "2"], "need --metrics.objective true"),
        (["--metrics.sentences", "0", "--metrics.objective", "true"], "metrics.sentences"),
        (["--sentences", "gone.txt"], "gone.txt"),
        (["--systems.steps", "[0]"], "systems.steps"),
        (["--systems.methods", "[magic]"], "unknown method 'magic'"),
        (["--speakers", "[zoe]"], "'zoe' is not a test speaker of"),
        (["--model", "nowhere"], "no checkpoint at nowhere"),
        (["--shards", "nowhere"], "no shards here"),
        (["--device", "tpu"], "device 'tpu' is unknown"),
        (["--bogus", "1"], "bogus"),
    ],
)
def test_invalid_options_are_refused(
    tiny_run: TinyRun, tmp_path: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refusal([*evaluate_flags(tiny_run, tmp_path / "out"), *flags], capsys)


def test_a_sentence_without_words_is_refused(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nothing to speak" in refusal(evaluate_flags(tiny_run, tmp_path / "out", [*SENTENCES, "..."]), capsys)
    assert not names(tmp_path / "out")


def test_models_that_do_not_fit(
    evaluated: Evaluated, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = evaluate_flags(tiny_run, tmp_path / "out")
    err = refusal([*flags, "--systems.joint", str(tiny_run.tts)], capsys)
    assert "has no speaker encoder: give the folder of a joint fine-tuning" in err
    err = refusal([*flags, "--model", str(tiny_run.tts), "--systems.methods", "[encoder]"], capsys)
    assert "has no speaker encoder: leave out the method 'encoder'" in err
    (network,) = (flag.partition("=")[2] for flag in evaluated.flags if flag.startswith("--metrics.speaker_recog"))
    checkpoint = read_checkpoint(network)
    del checkpoint["SpeakerRecognitionDataModule"]
    write_checkpoint(checkpoint, tmp_path / "silent.ckpt")
    err = refusal([*flags, "--metrics.speaker_recognition", str(tmp_path / "silent.ckpt")], capsys)
    assert "does not name its training samples: train it again" in err


def test_external_systems_are_told_apart_and_complete(
    evaluated: Evaluated, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = evaluate_flags(tiny_run, tmp_path / "out")
    (tmp_path / "mine" / tiny_run.speaker).mkdir(parents=True)
    err = refusal([*flags, f"--systems.external=[{tmp_path / 'mine'}]"], capsys)
    missing = tmp_path / "mine" / tiny_run.speaker / "01.wav"
    assert f"{missing} is missing: 'The dog slept.' by {tiny_run.speaker}" in err
    taken = {
        "encoder": "the method encoder",
        "the mean speaker": "the row 'the mean speaker'",
        FEMALE: f"the row {FEMALE!r}",
    }
    for name, row in taken.items():
        err = refusal([*flags, f"--systems.external={json.dumps([str(tmp_path / name)])}"], capsys)
        assert f"has the same name as {row} in the tables" in err
    first, second = evaluated.out.parent / "theirs" / "same", tmp_path / "same"
    shutil.copytree(first, second)
    err = refusal([*flags, f"--systems.external=[{first},{second}]"], capsys)
    assert f"{second} has the same name as {first} in the tables" in err


def test_voices_of_other_speakers_are_not_edited_and_those_of_training_not_cloned(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learned = tiny_run.index.speakers_of("train")[0].id
    other = f"generated --n_speakers 5 --utterances 4 --test {learned} --validation 1 --held 0.3 --workers 1"
    prepare.main([*other.split(), "--out", str(tmp_path / "shards")])
    flags = [*evaluate_flags(tiny_run, tmp_path / "out"), "--shards", str(tmp_path / "shards")]
    assert "systems.edit needs the shards that" in refusal([*flags, "--systems.edit", "1.0"], capsys)
    assert f"was trained on {learned}: choose other speakers by --speakers" in refusal(flags, capsys)
