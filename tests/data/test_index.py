import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lightning_vc.data.index import Index


def test_it_is_read_from_its_folder_or_its_file(index: Index) -> None:
    assert Index.load(index.folder) == Index.load(f"{index.folder}/index.json") == index


def test_addresses_follow_the_folder(index: Index, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "index.json").write_bytes(Path(index.folder, "index.json").read_bytes())
    assert Path(Index.load(moved).files("train")[0].url).parent == moved


def test_without_shards_it_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"index\.json: no shards here .*lightning_vc\.recipes\.prepare"):
        Index.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (json.dumps({"schema_version": 99}), "schema version 99, this version of lightning_vc reads 5; prepare"),
        (json.dumps({}), "schema version None"),
        ("{", "not an index"),
        ("[1]", "not an index"),
        (json.dumps({"schema_version": 5, "sets": {}}), "not an index .*speakers"),
    ],
)
def test_another_index_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(ValueError, match=complaint):
        Index.load(tmp_path)


def edited(content: dict[str, Any], change: str) -> None:
    shards, speakers = content["sets"]["train"], content["speakers"]
    match change:
        case "set":
            content["sets"]["training"] = content["sets"].pop("train")
        case "name":
            shards[0]["name"] = "../shards/train-000000.tar"
        case "twice":
            shards.append(shards[0])
        case "speaker":
            del speakers[0]
        case "speaker twice":
            speakers.append(speakers[0])
        case "transcribed":
            speakers[0]["transcribed"] = 0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("set", "a set 'training': known are train, "),
        ("name", r"a shard '\.\./shards/train-000000\.tar'"),
        ("twice", r"a shard 'train-000000\.tar', .* comes twice"),
        ("speaker", "speakers have 40 utterances, its shards 48|speakers have 8 utterances, its shards 16"),
        ("speaker twice", "a speaker comes twice"),
        ("transcribed", "transcribed, its shards"),
    ],
)
def test_an_index_that_somebody_changed_is_refused(index: Index, tmp_path: Path, change: str, complaint: str) -> None:
    content = json.loads(Path(index.folder, "index.json").read_text())
    edited(content, change)
    (tmp_path / "index.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"is not an index of shards .*{complaint}"):
        Index.load(tmp_path)


def test_it_prints_as_a_table(index: Index) -> None:
    console = Console(width=100, file=io.StringIO())
    with console.capture() as capture:
        console.print(index)
    rows = [line.replace("│", " ").split() for line in capture.get().splitlines()]
    assert ["train", "8", "36", "36", "0.01", "6"] in rows
    assert ["all", "19", "80", "80", "0.02", "10"] in rows
