"""Models of a hub: a local server speaks the endpoints of the Hugging Face Hub, and nothing else is reached."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightning_vc import Cloner, hub
from lightning_vc.files import SUMS
from lightning_vc.pretrained import pretrained_folder, shipped
from lightning_vc.recipe_file import output_paths
from lightning_vc.recipes import export
from tests.fake_hub import FakeHub, serve

library = pytest.importorskip("huggingface_hub", reason="of the extra hub")
constants = pytest.importorskip("huggingface_hub.constants")
NAME = "ann/tiny"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Give a hub of this machine, with an empty cache, as HF_ENDPOINT, HF_HOME and no HF_HUB_OFFLINE would."""
    with serve() as fake:
        # The library has read the environment when it was imported.
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", fake.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "ENDPOINT", fake.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
        yield fake


@pytest.fixture
def files() -> dict[str, bytes]:
    """Give an exported folder of files that hold no model, which nothing here but `Cloner` looks at."""
    models = {"tts.safetensors": b"weights", "encoder.safetensors": b"more weights"}
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in models.items()]
    return {**models, SUMS: "".join(lines).encode()}


@pytest.fixture
def exported(files: dict[str, bytes], tmp_path: Path) -> Path:
    folder = tmp_path / "owner" / "exported"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_a_model_is_pushed_and_loaded_by_its_name(tmp_path: Path) -> None:
    """In processes of their own, which read the address of the hub as a user gives it."""
    with serve() as fake:
        environment = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"}
        environment |= {"HF_ENDPOINT": fake.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_of_nobody"}
        words = ["-m", "lightning_vc.recipes.export", "--model", str(shipped()), "--out", str(tmp_path / "out")]
        words += ["--push_to", NAME, "--private", "--license", "cc-by-4.0", "--datasets", "openslr/librispeech_asr"]
        shown = run(words, environment)
        assert f"{fake.url}/{NAME}/commit/" in shown
        assert fake.private == {NAME: True}
        code = f"from lightning_vc import Cloner; print(Cloner.from_pretrained('{NAME}').tts_fingerprint)"
        assert run(["-c", code], environment).strip() == Cloner.load(tmp_path / "out").tts_fingerprint
    (files,) = fake.repositories[NAME]
    card = files.pop("README.md").decode()
    assert files == {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    data = library.ModelCard(card).data
    assert (data.library_name, data.license, data.pipeline_tag) == ("lightning_vc", "cc-by-4.0", "text-to-speech")
    assert data.datasets == ["openslr/librispeech_asr"]
    assert {"lightning_vc", "voice-cloning"} <= set(data.tags)
    assert f'Cloner.from_pretrained("{NAME}")' in card
    with_nobody = environment | {"HF_HUB_OFFLINE": "1"}  # the hub is gone
    assert run(["-c", f"from lightning_vc.hub import download; print(download('{NAME}'))"], with_nobody)


def run(words: list[str], environment: dict[str, str]) -> str:
    """What a new Python prints."""
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_only_the_files_of_a_model_are_downloaded(server: FakeHub, files: dict[str, bytes]) -> None:
    others = {"last.ckpt": b"x", "code.py": b"x", "data/big.bin": b"x", "vocoder.safetensors": b"unlisted"}
    commit = server.commit(NAME, {**others, **files, "README.md": b"# Tiny\n"})
    folder = pretrained_folder(NAME)
    assert folder.name == commit
    assert {file.name for file in folder.iterdir()} == {*files, "README.md"}


def test_what_is_in_the_cache_needs_no_network(server: FakeHub, files: dict[str, bytes]) -> None:
    first = server.commit(NAME, files)
    folder = hub.download(NAME)
    server.commit(NAME, {**files, "README.md": b"second"})
    server.requests.clear()
    assert hub.download(NAME) == hub.download(NAME, "main") == hub.download(NAME, first) == folder
    assert server.requests == []
    Path(folder, "tts.safetensors").unlink()  # as after an interrupted download
    assert Path(hub.download(NAME, first), "tts.safetensors").read_bytes() == files["tts.safetensors"]


def test_revisions_are_apart(server: FakeHub, files: dict[str, bytes]) -> None:
    first, second = server.commit(NAME, files), server.commit(NAME, {**files, "README.md": b"second"})
    assert not (hub.download(NAME, first) / "README.md").exists()
    assert (pretrained_folder(NAME, second) / "README.md").read_text() == "second"
    with pytest.raises(FileNotFoundError, match=r"^ann/tiny at v9 is neither a folder here nor .* shows you: check"):
        hub.download(NAME, "v9")
    with pytest.raises(FileNotFoundError, match=r"^ann/other is neither a folder here nor .* shows you: check"):
        Cloner.from_pretrained("ann/other")


def test_a_hub_that_is_not_there_is_named(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{revision}/{filename}")
    monkeypatch.setattr("time.sleep", lambda _: None)  # between its attempts
    with pytest.raises(
        OSError, match=r"ann/tiny is no folder here and not complete in the cache, and http://127\.0\.0\.1:9 does not"
    ):
        hub.download(NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match=r"ann/tiny is no folder here and not complete in the cache, .*offline"):
        hub.download(NAME)


def test_large_and_foreign_files_are_refused(server: FakeHub, files: dict[str, bytes]) -> None:
    server.commit(NAME, files)
    server.sizes["tts.safetensors"] = 3_000_000_000
    with pytest.raises(ValueError, match=r"tts\.safetensors of ann/tiny has 3000000000 bytes, where at most 2,000,000"):
        hub.download(NAME)
    assert not any(request.startswith("GET") and "tts.safetensors" in request for request in server.requests)
    for name, sums, message in (
        ("ann/path", f"{'0' * 64}  ../../tts.safetensors\n", r"lists '\.\./\.\./tts\.safetensors'"),
        ("ann/none", f"{'0' * 64}  encoder.safetensors\n", r"does not list tts\.safetensors"),
        ("ann/text", "hello\n", r"SHA256SUMS is damaged"),
    ):
        server.commit(name, {**files, SUMS: sums.encode()})
        with pytest.raises(ValueError, match=message):
            hub.download(name)


def test_a_server_cannot_name_other_places(server: FakeHub, files: dict[str, bytes], tmp_path: Path) -> None:
    """huggingface_hub takes the ETag as the path of a file."""
    server.commit(NAME, files)
    for etag in (str(tmp_path / "absolute"), "../../../relative"):
        server.headers = {"ETag": f'"{etag}"'}
        hub.download(NAME)
        assert {path.name for path in tmp_path.iterdir()} <= {"cache"}
        assert [path.name for path in (tmp_path / "cache").iterdir()] == ["models--ann--tiny"]
        shutil.rmtree(tmp_path / "cache")
    server.headers = {"X_Repo_Commit": "../../../commit"}
    with pytest.raises(OSError, match=r"it names the commit '\.\./\.\./\.\./commit', which is none"):
        hub.download(NAME)
    assert not any(tmp_path.iterdir())


def test_a_download_ends_at_its_declared_size(server: FakeHub, files: dict[str, bytes], tmp_path: Path) -> None:
    server.commit(NAME, files)
    server.more["tts.safetensors"] = bytes(1000)
    with pytest.raises(ValueError, match=r"tts\.safetensors of ann/tiny was not downloaded: it is longer than the 7 b"):
        hub.download(NAME)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [SUMS]


@pytest.mark.parametrize("status", [302, 403, 503])
def test_the_text_of_an_error_or_redirect_is_not_read(server: FakeHub, files: dict[str, bytes], status: int) -> None:
    server.commit(NAME, files)
    server.endless["tts.safetensors"] = status
    with pytest.raises(
        OSError, match=r"does not answer as expected: (it redirects more than 10 times|.*\b503\b|.*\b403\b)"
    ):
        hub.download(NAME)
    assert server.sent < 50_000_000


def test_no_list_of_programs_is_asked_for(server: FakeHub, files: dict[str, bytes]) -> None:
    """huggingface_hub would read an answer of any length."""
    server.commit(NAME, files)
    hub.download(NAME)
    assert all(f"/{NAME}/" in request for request in server.requests)


def test_a_message_of_the_server_is_shortened(server: FakeHub, files: dict[str, bytes]) -> None:
    server.commit(NAME, files)
    server.headers = {"X_Repo_Commit": "x" * 3000}
    with pytest.raises(OSError, match="it names the commit") as caught:
        hub.download(NAME)
    assert len(str(caught.value)) < 500


def test_a_changed_file_is_refused(server: FakeHub, files: dict[str, bytes]) -> None:
    server.commit(NAME, {**files, "tts.safetensors": b"other weights"})
    with pytest.raises(ValueError, match=r"tts\.safetensors is damaged or was changed"):
        Cloner.from_pretrained(NAME)


def test_a_folder_comes_before_a_repository(server: FakeHub, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(exported.parents[0])
    assert pretrained_folder(f"./{exported.name}") == Path(exported.name)
    assert pretrained_folder(f"{exported}/x/..") == Path(f"{exported}/x/..")
    monkeypatch.chdir(exported.parents[1])
    assert pretrained_folder(f"{exported.parent.name}/{exported.name}").resolve() == exported
    assert pretrained_folder("base") == shipped("base")
    assert server.requests == []
    with pytest.raises(ValueError, match=r"'base' is no name of a repository"):
        pretrained_folder("base", "main")


def test_a_checkpoint_comes_before_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tts").mkdir()
    (tmp_path / "tts" / "last.ckpt").touch()
    assert pretrained_folder("tts/last.ckpt") == Path("tts/last.ckpt")


def test_an_upload_says_what_is_missing(
    exported: Path, server: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, message in (
        (["--push_to", NAME], "--push_to needs --license"),
        (["--private"], "give --push_to"),
        (["--push_to", "tiny", "--license", "mit"], "'tiny' is no name of a repository"),
    ):
        with pytest.raises(SystemExit):
            export.main(["--model", str(shipped()), "--out", str(tmp_path / "out"), *words])
        assert message in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="export the model first"):
        hub.push_to_hub(tmp_path / "nothing", NAME, "mit")
    (exported / "tts.safetensors").write_bytes(b"changed")
    with pytest.raises(ValueError, match="is damaged or was changed"):
        hub.push_to_hub(exported, NAME, "mit")
    assert server.requests == []


def test_the_text_of_a_card_is_kept(server: FakeHub, exported: Path) -> None:
    (exported / "README.md").write_text("---\ntags: [mine]\nlanguage: en\n---\n# Mine\n")
    hub.push_to_hub(exported, NAME, "mit")
    card = library.ModelCard(server.repositories[NAME][0]["README.md"].decode())
    assert card.text.strip() == "# Mine"
    assert (card.data.language, card.data.license) == ("en", "mit")
    assert {"mine", "lightning_vc"} <= set(card.data.tags)


def test_a_recipe_cannot_upload() -> None:
    """A recipe of somebody else could take the user's models otherwise."""
    with pytest.raises(ValueError, match=r"stage give has the option push_to, which uploads the model"):
        output_paths(Path("run"), "give", ["export"], {"model": "run", "out": "run/out", "push_to": "eve/taken"})


def test_without_the_library_the_command_to_install_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"there is no folder ann/tiny, .* pip install 'lightning_vc\[hub\]'"):
        Cloner.from_pretrained(NAME)
