import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lightning_vc.data.index import Index
from tests.signed import signed


def test_it_is_read_from_its_folder_or_its_file(index: Index) -> None:
    assert Index.load(index.folder) == Index.load(f"{index.folder}/index.json") == index


def test_addresses_follow_the_folder(index: Index, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "index.json").write_bytes(Path(index.folder, "index.json").read_bytes())
    assert Path(Index.load(moved).files("train")[0].url).parent == moved


def test_without_shards_it_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"index\.json: no shards here .*`lightning-vc prepare CORPUS"):
        Index.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (json.dumps({"schema_version": 99}), r"schema version 99, and lightning_vc reads 5\); prepare"),
        (json.dumps({}), "schema version None"),
        ("{", "not an index"),
        ("[1]", "not an index"),
        (json.dumps({"schema_version": 5, "sets": {}}), "not an index .*sample_rate is missing"),
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
        case "seconds":
            shards[0]["seconds"] += 9


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("set", "sets.training.*: Input should be 'train', 'train-held', "),
        ("name", r"sets\.train\[0\]\.name is '\.\./shards/train-000000\.tar': .*pattern"),
        ("twice", "a shard is listed twice"),
        ("seconds", "its train speakers have .* seconds, its shards"),
        ("speaker", "speakers have 40 utterances, its shards 48|speakers have 8 utterances, its shards 16"),
        ("speaker twice", "a speaker is listed twice"),
        ("transcribed", "transcribed, its shards"),
    ],
)
def test_an_index_that_somebody_changed_is_refused(index: Index, tmp_path: Path, change: str, complaint: str) -> None:
    content = json.loads(Path(index.folder, "index.json").read_text())
    edited(content, change)
    (tmp_path / "index.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"is not an index of shards .*{complaint}"):
        Index.load(tmp_path)


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (["sample_rate"], 0, "sample_rate is 0: .*greater than or equal to 1000"),
        (["sample_rate"], None, "sample_rate is None: .*valid integer"),
        (["sample_rate"], "8000", "sample_rate is '8000': .*valid integer"),
        (["sample_rate"], 10**12, "sample_rate is 1000000000000: .*less than or equal to 192000"),
        (["sample_rate"], 8000.0, "sample_rate is 8000.0: .*valid integer"),
        (["sets"], [], "sets is of type list: .*"),
        (["sets", "train"], None, "sets.train is None: .*valid"),
        (["sets", "train", 0], "x", r"sets.train\[0\] is 'x': .*"),
        (["sets", "train", 0, "samples"], "5", r"sets.train\[0\].samples is '5': .*valid integer"),
        (["sets", "train", 0, "samples"], 0, "samples is 0: .*greater than or equal to 1"),
        (["sets", "train", 0, "samples"], 10**12, r"train-000000.tar cannot have [0-9]+ bytes"),
        (["sets", "train", 0, "seconds"], 1e-9, "train-000000.tar cannot have 4 utterances, 4 with text, in 1e-09 s"),
        (["sets", "train", 0, "seconds"], 1e9, "train-000000.tar cannot have 4 utterances, 4 with text, in 1e.09 s"),
        (["sets", "train", 0, "seconds"], -1, "seconds is -1.*: .*greater than 0"),
        (["sets", "train", 0, "seconds"], math.nan, "seconds is nan: "),
        (["sets", "train", 0, "name"], "", "name is '': .*pattern"),
        (["sets", "train", 0, "bytes"], True, "bytes is True: .*valid integer"),
        (["sets", "train", 0, "bytes"], 10**13, "cannot have 10000000000000 bytes"),
        (["sets", "train", 0, "sha256"], "", "sha256 is '': .*pattern"),
        (["speakers", 1, "id"], "", r"speakers\[1\].id is '': .*not a plain name"),
        (["speakers", 1, "id"], "/tmp/victim", r"speakers\[1\].id is '/tmp/victim': .*not a plain name"),
        (["speakers", 1, "id"], "..", r"speakers\[1\].id is '..': .*not a plain name"),
        (["speakers", 1, "id"], 7, r"speakers\[1\].id is 7: .*valid string"),
        (["speakers", 1, "age"], "25", "age is '25': .*valid integer"),
        (["speakers", 1, "sex"], 1, "sex is 1: .*valid string"),
        (["speakers", 1, "split"], "training", "split is 'training': .*'train', 'validation' or 'test'"),
        (["speakers", 1, "transcribed"], 10**9, "s01 cannot have 8 utterances, 1000000000 with text"),
        (["speakers", 1, "seconds"], 1e-9, "s01 cannot have 8 utterances, 8 with text, in 1e-09 s"),
        (["rejected"], {"silent": "2"}, "rejected.silent is '2': .*valid integer"),
        (["unaligned"], -1, "unaligned is -1: .*"),
        (["plan"], None, "plan is None: .*valid string"),
    ],
)
def test_each_field_is_checked(index: Index, tmp_path: Path, place: list[Any], value: object, complaint: str) -> None:
    content = json.loads(Path(index.folder, "index.json").read_text())
    *path, last = place
    part = content
    for step in path:
        part = part[step]
    part[last] = value
    (tmp_path / "index.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"index\.json is not an index of shards \(.*{complaint}") as error:
        Index.load(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("field", ["sample_rate", "sets", "speakers", "rejected", "split", "unaligned", "plan"])
def test_no_field_may_be_missing(index: Index, tmp_path: Path, field: str) -> None:
    content = json.loads(Path(index.folder, "index.json").read_text())
    del content[field]
    (tmp_path / "index.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"{field} is missing"):
        Index.load(tmp_path)


@pytest.mark.parametrize("crc32", [None, "", "00000000", 5])
def test_a_field_of_another_value_is_known_by_the_checksum(index: Index, tmp_path: Path, crc32: object) -> None:
    content = json.loads(Path(index.folder, "index.json").read_text())
    content["speakers"][0]["id"] += "x"
    content["crc32"] = crc32 or content["crc32"]
    (tmp_path / "index.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"its crc32 does not match: it was changed or is damaged\); prepare"):
        Index.load(tmp_path)
    del content["crc32"]
    (tmp_path / "index.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="its crc32 does not match"):
        Index.load(tmp_path)


def test_an_index_without_events_can_be_read(index: Index, tmp_path: Path) -> None:
    content = json.loads(Path(index.folder, "index.json").read_text())
    del content["events"]
    (tmp_path / "index.json").write_text(signed(content))
    assert Index.load(tmp_path).events == 0


@pytest.mark.parametrize("text", ["[" * 10**6, '{"a":' * 10**5 + "1" + "}" * 10**5])
def test_deep_nesting_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(ValueError, match=r"index\.json is not an index of shards \(.*recursion limit exceeded"):
        Index.load(tmp_path)


@pytest.mark.parametrize("value", ["[]", '{"":0}', "1e9"])
def test_an_index_of_too_many_values_is_not_parsed(tmp_path: Path, value: str) -> None:
    """64 MB of empty lists took 17 GB."""
    (tmp_path / "index.json").write_text('{"schema_version": 5, "x": [' + ",".join([value] * 1_000_000) + "]}")
    with pytest.raises(ValueError, match=r"index\.json is not an index of shards \(it has more than 1,000,000 values"):
        Index.load(tmp_path)


def test_an_enormous_index_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "index.json").open("wb") as file:
        file.truncate(1 << 33)  # a hole, which takes no space on the disk
    with pytest.raises(ValueError, match=r"index\.json has more than 67,108,864 bytes"):
        Index.load(tmp_path)


def test_it_prints_as_a_table(index: Index) -> None:
    console = Console(width=100, file=io.StringIO())
    with console.capture() as capture:
        console.print(index)
    rows = [line.replace("│", " ").split() for line in capture.get().splitlines()]
    assert ["train", "8", "36", "36", "0.01", "6"] in rows
    assert ["all", "19", "80", "80", "0.02", "10"] in rows


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("twice", "a shard is listed twice"),
        ("speaker twice", "a speaker is listed twice"),
        ("seconds", "its train speakers have .* seconds, its shards"),
        ("transcribed", "transcribed, its shards"),
    ],
)
def test_a_changed_index_whose_checksum_fits_is_refused(
    index: Index, tmp_path: Path, change: str, complaint: str
) -> None:
    content = json.loads(Path(index.folder, "index.json").read_text())
    edited(content, change)
    (tmp_path / "index.json").write_text(signed(content))
    with pytest.raises(ValueError, match=complaint):
        Index.load(tmp_path)


def test_reasons_of_others_are_printed_without_control_characters(index: Index) -> None:
    console = Console(width=100, file=io.StringIO())
    with console.capture() as capture:
        console.print(replace(index, rejected={"\x1b]0;owned\x07": 3}))
    assert "\x1b" not in capture.get()
