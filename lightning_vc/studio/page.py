"""The page of the studio: a voice at the left, at the right a text and what one or two voices make of it."""

from collections.abc import Callable, Sequence
from functools import partial, wraps
from html import escape
from typing import Any

import gradio as gr

from lightning_vc.audio.io import SUFFIXES
from lightning_vc.cloning import Cloner
from lightning_vc.studio import actions
from lightning_vc.studio.actions import Clip
from lightning_vc.voice import Voice, VoiceLibrary

CSS = """
.warning, .error { border-left: 3px solid #d97706; padding-left: 8px; margin: 4px 0; overflow-wrap: anywhere; }
.error { border-color: #dc2626; }
"""
_TEXT = "Nobody has ever said this, and now my voice has."
_CONSENT = "Ann Example, 2026-11-30: for the audio guide of the town museum, until 2027"
_QUICK: dict[str, Any] = {"api_visibility": "private"}
_SLOW: dict[str, Any] = {**_QUICK, "concurrency_id": "model", "concurrency_limit": 1}  # one job at a time
_READY = "The voice is ready: let it speak."
_PLAIN = gr.WaveformOptions(show_recording_waveform=False)
_PROGRESS = gr.Progress()


class Slot:
    """Components of one voice and its speech; `number` is its place among the compared ones."""

    def __init__(self, number: int) -> None:
        with gr.Column(visible=False, min_width=300) as self.column:
            self.about = gr.HTML()
            self.sound = gr.Audio(label="Speech", interactive=False, buttons=[], elem_id=f"speech-{number}")
            self.problems = gr.HTML()
            self.plot = gr.Image(
                alt_text="Spectrogram and alignment", show_label=False, type="filepath", buttons=["fullscreen"]
            )
            with gr.Row():
                self.download = gr.DownloadButton(
                    "Download sound", elem_id=f"sound-{number}", size="md", interactive=False
                )
                self.file = gr.DownloadButton("Download voice", elem_id=f"voice-{number}", size="md")
            with gr.Group():
                self.name = gr.Textbox(label="Name in the library", max_lines=1, elem_id=f"name-{number}")
                self.save = gr.Button("Save to the library", elem_id=f"save-{number}")
        self.speech = [self.sound, self.problems, self.plot, self.download]
        self.all = [self.column, self.about, self.file, *self.speech]


class Page:
    """The page: `blocks` is its gradio application.

    Args:
        cloner: the model.
        folder: of temporary files, which gradio may serve.
    """

    def __init__(self, cloner: Cloner, folder: str) -> None:
        self.cloner, self.folder, self.transcribe = cloner, folder, actions.transcriber()
        with gr.Blocks(title="lightning_vc studio", analytics_enabled=False) as self.blocks:
            gr.Markdown("# lightning_vc studio\nClone a voice from a few recordings, and let it speak English.")
            self.voices, self.clips = gr.State([]), gr.State([])
            with gr.Row():
                with gr.Column(scale=4, min_width=320):
                    gr.Markdown("## 1. Voice")
                    with gr.Tab("Clone"):
                        self._build_clone()
                    with gr.Tab("Saved or built in"):
                        self.saved = gr.Dropdown([], label="Voice of the library")
                        self.file = gr.File(label="Voice file", file_types=[".safetensors"], height=160)
                        self.speaker = gr.Dropdown(cloner.speakers, value=None, label="Speaker of the model")
                    self.status = gr.HTML("No voice yet: clone or choose one.")
                with gr.Column(scale=5, min_width=320):
                    gr.Markdown("## 2. Speech")
                    self.text = gr.Textbox(_TEXT, label="Text", lines=3, max_length=actions.MAX_TEXT)
                    self.speak_button = gr.Button("Speak", variant="primary")
                    with gr.Row():
                        self.slots = [Slot(0), Slot(1)]
            self._connect()

    def _build_clone(self) -> None:
        """Make the components of cloning."""
        self.files = gr.File(
            label="Clips of one speaker: 5 to 10 of 3 to 10 s",
            file_count="multiple",
            file_types=list(SUFFIXES),
            height=160,
        )
        self.recorder = gr.Audio(label="Record a clip", sources=["microphone"], type="filepath", editable=False)
        self.cards = gr.Column()
        self.agreed = gr.Checkbox(
            label="The speaker has agreed that this voice is cloned and used as stated here", interactive=True
        )
        self.consent = gr.Textbox(
            label="Consent, stored in the voice: who, when, to what",
            interactive=True,
            placeholder=_CONSENT,
            max_length=actions.MAX_CONSENT,
        )
        methods = self.cloner.methods
        options = {"interactive": True, "min_width": 180}  # they become inputs only when there are clips
        with gr.Row():
            self.method = gr.Dropdown(
                methods, value=methods[0], label="Method", info="All but encoder need transcripts.", **options
            )
            self.other = gr.Dropdown(
                [("nothing", ""), *methods], value="", label="Compare with", info="A second method.", **options
            )
        self.clone_button = gr.Button("Clone", variant="primary")

    def _connect(self) -> None:
        """Connect components with what they do."""
        for event, source in ((self.files.upload, self.files), (self.recorder.stop_recording, self.recorder)):
            event(_friendly(self.add), [source, self.clips], [source, self.clips], **_QUICK)
        with self.cards:
            gr.render(self.clips)(self._draw_clips)
        for event, source, load in (
            (self.saved.input, self.saved, lambda name: Voice.load(VoiceLibrary().known(name))),
            (self.file.upload, self.file, Voice.load),
            (self.speaker.input, self.speaker, self.cloner.speaker),
        ):
            self._voices_from(event(_friendly(partial(_chosen, load)), source, [self.voices, self.status], **_QUICK))
        for number, slot in enumerate(self.slots):
            inputs = [self.voices, slot.name]
            slot.save.click(_friendly(partial(_save, number)), inputs, self.saved, **_QUICK)
        outputs = [component for slot in self.slots for component in slot.speech]
        self.speak_button.click(_friendly(self.speak), [self.text, self.voices], outputs, **_SLOW)
        self.blocks.load(_library, None, self.saved, **_QUICK)

    def _voices_from(self, event: Any) -> None:
        """Show the voices after an event that changed them."""
        event.success(_friendly(self.show), self.voices, [item for slot in self.slots for item in slot.all], **_QUICK)

    def _draw_clips(self, clips: list[Clip]) -> None:
        """Make a card for each clip, and let the button clone from them."""
        transcripts = []
        for clip in clips:
            with gr.Column(variant="panel", key=f"clip {clip.path}"):
                label = f"{clip.name} ({clip.seconds:.1f} s)"
                gr.Audio(clip.path, label=label, interactive=False, buttons=[], waveform_options=_PLAIN)
                gr.HTML(_lines([clip.error], "error") if clip.error else _lines(clip.warnings) or "No defect found.")
                transcripts.append(
                    gr.Textbox(
                        clip.transcript,
                        label=f"Transcript of {clip.name}",
                        max_length=actions.MAX_TEXT,
                        interactive=True,  # also where Whisper has suggested a text
                        key=f"transcript {clip.path}",
                    )
                )
                remove = gr.Button(f"Remove {clip.name}", size="sm")
                remove.click(partial(_without, clip), self.clips, self.clips, **_QUICK)
        inputs = [self.clips, self.method, self.other, self.agreed, self.consent, *transcripts]
        self._voices_from(self.clone_button.click(_friendly(self.clone), inputs, [self.voices, self.status], **_SLOW))

    def add(self, paths: str | list[str] | None, clips: list[Clip], progress: gr.Progress = _PROGRESS) -> Any:
        """Examine new clips; empties the component that they came from."""
        new = [paths] if isinstance(paths, str) else paths or []
        new = [path for path in dict.fromkeys(new) if path not in [clip.path for clip in clips]]
        actions.check_count(len(clips) + len(new))
        for number, path in enumerate(new):
            progress((number, len(new)), desc="examining clips")
            clips = [*clips, actions.examine(self.cloner, path, self.transcribe)]
        return None, clips

    def clone(
        self,
        clips: list[Clip],
        method: str,
        other: str,
        agreed: bool,
        consent: str,
        *transcripts: str,
        progress: gr.Progress = _PROGRESS,
    ) -> tuple[list[Voice], str]:
        """Clone by one or two methods; returns voices and warnings."""
        methods = list(dict.fromkeys(filter(None, [method, other])))
        voices, warnings = [], list[str]()
        for number, name in enumerate(methods):
            desc = f"cloning by {name}"
            progress((number, len(methods)), desc=desc)
            steps = partial(_show_steps, progress, desc)
            voice, more = actions.clone(self.cloner, clips, transcripts, name, agreed, consent, steps)
            voices.append(voice)
            warnings += more
        return voices, _lines(list(dict.fromkeys(warnings))) + _READY

    def show(self, voices: list[Voice]) -> list[Any]:
        """Show the voices, without speech yet; updates of all components of the slots."""
        updates: list[Any] = []
        for voice in (*voices, *[None] * (len(self.slots) - len(voices))):
            speech = [None, "", None, gr.update(value=None, interactive=False)]
            if voice is None:
                updates += [gr.update(visible=False), "", None, *speech]
            else:
                updates += [gr.update(visible=True), _about(voice), actions.voice_file(voice, self.folder), *speech]
        return updates

    def speak(self, text: str, voices: list[Voice], progress: gr.Progress = _PROGRESS) -> list[Any]:
        """Speak with all voices; updates of the components of speech."""
        if not voices:
            raise ValueError("There is no voice yet: clone or choose one")
        updates: list[Any] = []
        for number, voice in enumerate(voices):
            progress((number, len(voices)), desc=f"speaking ({voice.method})")
            take = actions.speak(self.cloner, voice, text, self.folder)
            download = gr.update(value=take.sound, interactive=True)
            updates += [take.sound, _lines(take.warnings), take.plot, download]
        return updates + [gr.skip() for _ in range(4 * (len(self.slots) - len(voices)))]


def _friendly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Show the message of a ValueError or OSError in the page; any other error is printed with its traceback."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (OSError, ValueError) as error:
            raise gr.Error(escape(str(error)), duration=20, print_exception=False) from error

    return call


def _lines(texts: Sequence[str], kind: str = "warning") -> str:
    """Texts of any origin as HTML."""
    return "".join(f'<div class="{kind}">{escape(text)}</div>' for text in texts)


def _about(voice: Voice) -> str:
    """What is known of a voice, as HTML."""
    clips = "1 clip" if voice.clips == 1 else f"{voice.clips} clips"
    origin = "speaker of the model" if voice.method == "learned" else f"{clips}, {voice.seconds:.1f} s"
    return f"<b>{escape(voice.method)}</b>: {origin}" + _lines([f"Consent: {voice.consent or 'not stated'}"], "note")


def _show_steps(progress: gr.Progress, desc: str, done: int, steps: int) -> None:
    progress((done, steps), desc=desc)


def _chosen(load: Callable[[str], Voice], name: str) -> tuple[list[Voice], str]:
    return [load(name)], _READY


def _without(clip: Clip, clips: list[Clip]) -> list[Clip]:
    return [other for other in clips if other.path != clip.path]


def _library() -> Any:
    return gr.update(choices=VoiceLibrary().names())


def _save(number: int, voices: list[Voice], name: str) -> Any:
    """Save a voice to the library; updates the list of its voices."""
    if number >= len(voices):  # the page shows voices that another tab has replaced
        raise ValueError("this voice is gone: reload the page and clone again")
    voices[number].save(VoiceLibrary().free(name.strip()))
    gr.Info(f"Saved as {escape(name.strip())}.", duration=5)
    return _library()
