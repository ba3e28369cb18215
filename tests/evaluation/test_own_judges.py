"""Speaker recognition that was trained in earnest, on sounds whose scores are known beforehand."""

import json
from pathlib import Path

import pytest

from lightning_vc.corpora.generated import GeneratedCorpus
from lightning_vc.recipes import evaluate, prepare, speaker_recognition
from tests.evaluation.external import write_external
from tests.tiny import CSV, MINI, TinyRun

SENTENCES = [
    "The dog slept in the sun.",
    "Nobody had seen the boat.",
    "We walked along the river until evening.",
    "She opened a window and listened.",
]
# Those that `--test 4` draws, but for m002, whom the tiny model has learnt. Not any four will do: f008, f009, m008
# and m009 are so alike that a verifier of 200 steps, with or without its batch norm, has 0.13 of them.
SPEAKERS = ["f004", "f010", "m006", "m010"]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_speaker_recognition_knows_speech_from_other_speech_and_from_none(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards, out = tmp_path / "shards", tmp_path / "out"
    corpus = ["--n_speakers", "24", "--utterances", "24"]
    kept = ["--test", ",".join(SPEAKERS), "--validation", "2", "--workers", "2"]
    prepare.main(["generated", *corpus, *kept, "--out", str(shards)])
    arguments = (
        f"fit --config {CSV} --config {MINI}/speaker_recognition.yaml --data.shards {shards} --trainer.max_steps 300"
    )
    speaker_recognition.main([*arguments.split(), "--trainer.default_root_dir", str(tmp_path / "trained")])
    sentences = tmp_path / "sentences.txt"
    sentences.write_text("\n".join(SENTENCES))
    what = (
        f"--model {tiny_run.folder} --shards {shards} --sentences {sentences} --out {out} --systems.methods=[encoder]"
    )
    judges = [f"--metrics.speaker_recognition={tmp_path / 'trained' / 'last.ckpt'}"]
    external = write_external(tmp_path / "other", GeneratedCorpus(24, 24), SPEAKERS, SENTENCES)
    evaluate.main([*what.split(), *judges, f"--systems.external={json.dumps([str(path) for path in external])}"])
    figures = json.loads((out / "results.json").read_text())["results"]
    output = {(item["system"], item["measure"]): item["value"] for item in figures}
    assert output["same", "accuracy"] > 0.9
    assert output["same", "eer_1"] < 0.1
    assert output["same", "sex"] == 1
    assert output["shuffled", "accuracy"] < 0.1
    assert output["shuffled", "eer_1"] > 0.3  # one of three others is right
    for name in ("silence", "noise"):
        assert output[name, "accuracy"] <= 0.25  # whoever it is taken for, it is one of four
        assert 0.3 < output[name, "eer_1"] < 0.7  # a coin
