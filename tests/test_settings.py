"""YAML that would grow, or read what is not in it."""

import time
from pathlib import Path

import fsspec
import pytest
import yaml

from lightning_vc.recipes import tts
from lightning_vc.settings import bounded, check_yaml, compose, resolve

LAUGHS = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]\n" for number in range(1, 12)
)
INTERPOLATED = "a0: lolololol\n" + "".join(
    f'a{number}: "${{a{number - 1}}}${{a{number - 1}}}${{a{number - 1}}}"\n' for number in range(1, 40)
)
MERGED = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{number}: &a{number} {{x: *a{number - 1}, y: *a{number - 1}, <<: *a{number - 1}}}\n" for number in range(1, 40)
)
GROWING = {
    "aliases": LAUGHS,
    "merged": MERGED,
    "long text repeated": "a: &a " + "x" * 10_000 + "\nb: [" + ", ".join(["*a"] * 1000) + "]",
    "within itself": "a: &a [1, *a]",
    "deep": "[" * 900 + "]" * 900,
    "deeper": "[" * 100_000,
    "large": "- x\n" * 400_000,
}


@pytest.mark.parametrize("text", GROWING.values(), ids=GROWING.keys())
def test_yaml_that_grows_is_refused_without_expanding_it(text: str) -> None:
    started = time.process_time()
    with pytest.raises(yaml.YAMLError):
        check_yaml(text)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("text", ["", "a", "a: &a [1, 2]\nb: 'a*a'\nc: {d: {e: 1}}"])
def test_small_yaml_is_read(text: str) -> None:
    check_yaml(text)
    assert bounded(yaml.safe_load, interpolated=True)(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            {"dir": "runs", "size": "small", "sizes": {"small": {"steps": 5}}, "steps": "${sizes.${size}.steps}"},
            {"dir": "runs", "size": "small", "sizes": {"small": {"steps": 5}}, "steps": 5},
        ),
        (
            {
                "model": {"frontend": {"a": 1}},
                "data": {"frontend": "${model.frontend}", "b": ["${model.frontend.a} s", "${...model.frontend.a}"]},
            },
            {"model": {"frontend": {"a": 1}}, "data": {"frontend": {"a": 1}, "b": ["1 s", 1]}},
        ),
        ({"two": {"model": "${one.checkpoint}/${nowhere}"}, "one": {"checkpoint": "x"}}, None),
        (["a", "b", None, 0.5], ["a", "b", None, 0.5]),
    ],
)
def test_settings_may_name_each_other(content: object, expected: object) -> None:
    resolve(content, allow_unknown=True)
    if expected is None:
        with pytest.raises(yaml.YAMLError, match=r"\$\{nowhere\} names a setting that does not exist"):
            resolve(content)
    else:
        assert resolve(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        {"a": "${oc.env:SECRET}"},
        {"a": ["x ${oc.env:SECRET,default} y"]},
        {"a": "${oc.decode:'[1, 2]'}"},
        {"a": "oc.env", "b": "${${a}:SECRET}"},
        {"a": "env", "b": "${oc.${a}:SECRET}"},
        {"a": "$", "b": "${a}{oc.env:SECRET}"},
        {"a": "$", "b": "{oc.env:SECRET}", "c": "${a}${b}"},
        {"a": "\\${oc.env:SECRET}"},
        {"a": "${oc.env:SECRET"},
        {"a": "${b}", "b": "${a}"},
        {"a": "${b}", "b": {"c": "x"}, "d": "${a.c}"},
        {"a": {"b": "${a}"}},
        yaml.safe_load('a: !!pairs [b: "${oc.env:SECRET}"]'),
        yaml.safe_load('a: !!omap [b: "${oc.env:SECRET}"]'),
        yaml.safe_load('a: !!set {"${oc.env:SECRET}"}'),
        yaml.safe_load(INTERPOLATED),
        {"a0": ["x"] * 9, **{f"a{n}": [f"${{a{n - 1}}}"] * 9 for n in range(1, 12)}},
        {f"a{number}": f"${{a{number + 1}}}" for number in range(5000)},
        {"l0": ["lol" * 9], **{f"l{n}": [f"${{l{n - 1}.0}}" * 10] for n in range(1, 12)}},
    ],
)
def test_settings_that_read_something_else_or_grow_are_refused(content: object) -> None:
    started = time.process_time()
    for elsewhere in (False, True):
        with pytest.raises(yaml.YAMLError):
            resolve(content, elsewhere)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("content", [LAUGHS, INTERPOLATED, "data: {shards: '${oc.env:SECRET}'}", "deep: " + "[" * 900])
def test_configs_of_training_are_bounded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    monkeypatch.setenv("SECRET", "swordfish")
    (tmp_path / "config.yaml").write_text(content)
    started = time.process_time()
    with pytest.raises(SystemExit) as end:
        tts.main(["fit", "--config", str(tmp_path / "config.yaml")])
    assert end.value.code == 2
    assert time.process_time() - started < 20
    printed = capsys.readouterr().err
    assert "swordfish" not in printed
    assert "Traceback" not in printed


def test_only_configs_are_read_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any other value would be settings that no check of a recipe sees, or a file of any size on a server."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logger").write_text("{class_path: CSVLogger, init_args: {save_dir: /elsewhere}}")
    with fsspec.open("memory://server/config.yaml", "w") as file:
        file.write("trainer: {max_steps: 7}")
    for words in (["--trainer.logger", "logger"], ["--config", "memory://server/config.yaml"]):
        with pytest.raises(SystemExit) as end:
            tts.main(["fit", "--data.shards", "x", *words, "--print_config"])
        assert end.value.code == 2
        printed = capsys.readouterr()
        assert "Expected a dot import path" in printed.err or "File does not exist" in printed.err
        assert not printed.out


# Settings in several files


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_settings_come_before_those_that_they_include(tmp_path: Path) -> None:
    write(
        tmp_path,
        first="trainer: {steps: 1, clip: 2, callbacks: [bar]}\nmodel: {class_path: A, init_args: {size: 3}}",
        second="trainer: {steps: 4, callbacks+: [speak]}",
    )
    text = "include: [first.yaml, second.yaml]\ntrainer: {rate: 5, callbacks+: [save], loggers+: [csv]}\n"
    assert compose(text + "model: {init_args: {width: 6}}", tmp_path, yaml.safe_load) == {
        "trainer": {"steps": 4, "clip": 2, "callbacks": ["bar", "speak", "save"], "rate": 5, "loggers+": ["csv"]},
        "model": {"class_path": "A", "init_args": {"size": 3, "width": 6}},
    }
    other = compose(text + "model: {class_path: B, init_args: {width: 6}}", tmp_path, yaml.safe_load)
    assert other["model"] == {"class_path": "B", "init_args": {"width": 6}}


def test_a_mapping_within_settings_includes_too(tmp_path: Path) -> None:
    (tmp_path / "frames.yaml").write_text("class_path: Frames\ninit_args: {hop: 256, window: 1024}\n")
    text = "model: {input: {include: frames.yaml, init_args: {hop: 128}}, rate: 1}"
    expected = {"input": {"class_path": "Frames", "init_args": {"hop": 128, "window": 1024}}, "rate": 1}
    assert compose(text, tmp_path, yaml.safe_load) == {"model": expected}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "include: 'other.yaml' cannot be included: .*other.yaml: no such file"),
        ("- a", "include: other.yaml must be a mapping"),
        ("include: recipe.yaml", "include: other.yaml must be a mapping .*, without include"),
        (LAUGHS, r"it has the alias \*a0: write the value again"),
        ("a: [", "include: 'other.yaml' cannot be included: "),
    ],
)
def test_invalid_includes_are_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        write(tmp_path, other=content)
    with pytest.raises(yaml.YAMLError, match=message):
        compose("include: other.yaml", tmp_path, yaml.safe_load)


def test_the_total_size_of_includes_is_bounded(tmp_path: Path) -> None:
    write(tmp_path, other="a: " + "x" * 300_000)
    compose("include: [other.yaml, other.yaml]", tmp_path, yaml.safe_load)
    with pytest.raises(yaml.YAMLError, match="a mapping of at most 1048576 characters"):
        compose("include: [other.yaml, other.yaml, other.yaml, other.yaml]", tmp_path, yaml.safe_load)


def test_an_item_of_a_list_is_a_setting() -> None:
    assert resolve({"sizes": ["small", "large"], "size": "${sizes.1}"}) == {
        "sizes": ["small", "large"],
        "size": "large",
    }
    with pytest.raises(yaml.YAMLError, match=r"\$\{sizes\.2\} names a setting that does not exist"):
        resolve({"sizes": ["small", "large"], "size": "${sizes.2}"})
