"""The studio in a browser: what a user does there, in a headless Chromium."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile
import torch

from lightning_vc import Voice
from lightning_vc.audio import io
from tests.tiny import ROOT, TinyRun

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest.importorskip("gradio", reason="the page needs gradio, of the extra studio")
playwright = pytest.importorskip("playwright.sync_api", reason="the browser is driven by playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt install chromium)"),
]
WAIT = 120_000  # milliseconds
CONSENT = "Ann <img src=x onerror=document.title='attacked'>"
PASSWORD = "correct horse"


@contextmanager
def served(run: TinyRun, folder: Path, *words: str) -> Iterator[str]:
    """Run the verb on a free port; yields the address of the page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "temporary").mkdir(parents=True)
    command = [sys.executable, "-m", "lightning_vc.recipes.studio", "--model", str(run.folder), "--port", str(port)]
    settings = {"LIGHTNING_VC_VOICES": str(folder / "voices"), "TMPDIR": str(folder / "temporary")}
    environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True, env=environment, cwd=folder)
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith(f"studio: http://127.0.0.1:{port}"), line
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)
    assert list((folder / "temporary").iterdir()) == []  # the clips of users are deleted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def address(tiny_run: TinyRun, folder: Path) -> Iterator[str]:
    with served(tiny_run, folder) as address:
        yield address


@pytest.fixture(scope="module")
def clips(tiny_run: TinyRun, folder: Path) -> list[Path]:
    """Two clips, the second of which is too loud, and a file that is none."""
    files = [folder / name for name in ("fine.wav", "loud.wav", "none.wav")]
    waves = [sample.wave(16000) for sample in tiny_run.samples()[:2]]
    io.write(files[0], waves[0], 16000)
    io.write(files[1], (20 * waves[1]).clamp(-1, 1), 16000)
    files[2].write_text("<script>document.title='attacked'</script>")
    return files


@pytest.fixture(scope="module")
def chromium(folder: Path, clips: list[Path]) -> Iterator[Any]:
    """A browser whose microphone records the first clip again and again."""
    microphone = ("--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={clips[0]}")
    with playwright.sync_playwright() as driver:
        options = ["--no-sandbox", "--use-fake-ui-for-media-stream", *microphone]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator["Page"]:
    """The page in a new browser; all that it loads is from the server, and no text of a user became a tag."""
    requests: list[str] = []
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, permissions=["microphone"])
    context.set_default_timeout(WAIT)
    page = context.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    page.get_by_role("button", name="Speak").wait_for()
    yield page
    assert page.title() == "lightning_vc studio"
    context.close()
    assert [url for url in requests if not url.startswith((address, "data:", f"blob:{address}"))] == []


def upload(page: "Page", *files: Path) -> None:
    page.locator("input[type=file]").first.set_input_files([str(file) for file in files])
    page.get_by_label(f"Transcript of {files[-1].name}").wait_for()


def press(page: "Page", name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def choose(page: "Page", label: str, option: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option).click()


def speak(page: "Page", text: str = "The old dog slept.") -> None:
    page.get_by_label("Text", exact=True).fill(text)
    press(page, "Speak")


def downloaded(page: "Page", selector: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.locator(f"{selector}:not([disabled])").click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return file


def test_upload_clone_by_two_methods_speak_download_and_save(
    page: "Page", clips: list[Path], tiny_run: TinyRun, folder: Path, tmp_path: Path
) -> None:
    upload(page, *clips)
    page.get_by_text("This clip was recorded too loud").wait_for()
    page.get_by_text("This clip cannot be read as audio").wait_for()
    press(page, "Clone")
    page.get_by_text("Consent is missing").wait_for()
    page.get_by_label("The speaker has agreed").check()
    page.get_by_label("Consent, stored").fill(CONSENT)
    press(page, "Clone")
    page.get_by_text("none.wav cannot be read as audio").wait_for()
    press(page, "Remove none.wav")
    page.get_by_label("Transcript of none.wav").wait_for(state="detached")
    page.get_by_label("Transcript of fine.wav").fill("")  # Whisper may have suggested one
    choose(page, "Compare with", "embedding")
    press(page, "Clone")
    page.get_by_text("fine.wav has no transcript").wait_for()
    for clip, sample in zip(clips, tiny_run.samples()[:2], strict=False):
        page.get_by_label(f"Transcript of {clip.name}").fill(sample.text or "")
    press(page, "Clone")
    page.locator("#voice-1").wait_for()
    speak(page)
    for number, method in enumerate(("encoder", "embedding")):
        sound, voice = (downloaded(page, f"#{kind}-{number}", tmp_path) for kind in ("sound", "voice"))
        assert (sound.name, voice.name) == (f"{method}.wav", f"{method}.safetensors")
        assert soundfile.info(sound).duration > 0.1
        assert (Voice.load(voice).method, Voice.load(voice).consent) == (method, CONSENT)
    assert page.get_by_alt_text("Spectrogram and alignment").count() == 2
    page.locator("#name-1 input, #name-1 textarea").fill("ann")
    page.locator("#save-1").click()
    page.get_by_text("Saved as ann").wait_for()
    assert Voice.load(folder / "voices" / "ann.safetensors").method == "embedding"
    page.locator("#save-1").click()
    page.get_by_text("there is a voice 'ann' already").wait_for()


def test_record_and_speak_at_a_small_width(page: "Page") -> None:
    page.set_viewport_size({"width": 420, "height": 800})
    press(page, "Record")
    page.wait_for_timeout(3000)
    press(page, "Stop")
    page.get_by_role("button", name="Remove audio").wait_for()
    page.get_by_label("The speaker has agreed").check()
    page.get_by_label("Consent, stored").fill(CONSENT)
    press(page, "Clone")
    page.locator("#voice-0").wait_for()
    speak(page)
    page.locator("#sound-0:not([disabled])").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 420  # nothing is cut off or scrolls sideways


def test_speak_with_voices_of_model_file_and_library(
    page: "Page", tiny_run: TinyRun, folder: Path, tmp_path: Path
) -> None:
    speak(page)
    page.get_by_text("There is no voice yet").wait_for()
    page.get_by_role("tab", name="Saved or built in").click()
    choose(page, "Speaker of the model", tiny_run.index.speaker_table[0])
    page.get_by_text("speaker of the model", exact=False).last.wait_for()
    speak(page, "<&>")
    page.get_by_text("text '<&>' has nothing to speak").wait_for()
    speak(page)
    file = downloaded(page, "#voice-0", tmp_path)
    page.locator("#sound-0:not([disabled])").wait_for()
    page.locator("#name-0 input, #name-0 textarea").fill("of the model")
    page.locator("#save-0").click()
    page.get_by_text("is no name of a voice").wait_for()
    page.locator("#name-0 input, #name-0 textarea").fill("built-in")
    page.locator("#save-0").click()
    page.get_by_text("Saved as built-in").wait_for()
    choose(page, "Voice of the library", "built-in")
    page.locator("#sound-0[disabled]").wait_for()  # another voice, which has not spoken
    stranger = tmp_path / "stranger.safetensors"
    Voice(torch.zeros(3), CONSENT, "0123", 1, consent=CONSENT).save(stranger)
    page.locator("input[type=file]").last.set_input_files(str(stranger))
    page.get_by_text(f"Consent: {CONSENT}").wait_for()
    speak(page)
    page.get_by_text("this voice belongs to model '0123'").wait_for()
    assert Voice.load(file).embedding.equal(Voice.load(folder / "voices" / "built-in.safetensors").embedding)


def test_a_password_is_asked_for(chromium: Any, tiny_run: TinyRun, tmp_path: Path) -> None:
    with served(tiny_run, tmp_path, "--password", PASSWORD) as address:
        page = chromium.new_page()
        page.set_default_timeout(WAIT)
        page.goto(address)
        assert page.request.get(f"{address}/config").status == 401
        for password in ("wrong horse", PASSWORD):
            page.get_by_label("username").fill("ann")
            page.get_by_label("password").fill(password)
            press(page, "Login")
            if password != PASSWORD:
                page.get_by_text("Incorrect Credentials").wait_for()
        page.get_by_role("button", name="Speak").wait_for()
        page.close()
