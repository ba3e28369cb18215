"""Clone and speak in a web page: record or upload clips, compare methods, listen, download."""

import os
import signal
import tempfile
from collections.abc import Sequence
from hmac import compare_digest

from lightning_vc.verbs import call


def studio(
    model: str | None = None,
    vocoder: str | None = None,
    device: str = "auto",
    host: str = "127.0.0.1",
    port: int | None = None,
    share: bool = False,
    password: str = "",
    trust: list[str] | None = None,
) -> None:
    """Clone and speak in a web page: record or upload clips, compare methods, listen, download.

    Args:
        model: folder of a run (with tts/last.ckpt), or one TTS checkpoint; default: the model of the package.
        vocoder: griffin_lim, or a checkpoint; default: that of the model, else griffin_lim.
        device: cpu, cuda, or auto: a GPU if there is one.
        host: address to listen at; any but a loopback address needs a password.
        port: default: the first free one from 7860 on.
        share: also serve the page at a public address of gradio.live; needs a password.
        password: that the page asks for, with any user name; default: the environment variable LIGHTNING_VC_PASSWORD,
            which other users of the machine cannot see in its list of processes.
        trust: modules whose classes a model may name.
    """
    from lightning_vc.cloning import Cloner
    from lightning_vc.studio.actions import check_access

    password = password or os.environ.get("LIGHTNING_VC_PASSWORD", "")
    check_access(host, share, password)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the temporary files are deleted then too
    with tempfile.TemporaryDirectory(prefix="lightning_vc_studio_") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # read when gradio is imported
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        try:
            import gradio

            from lightning_vc.studio.page import CSS, Page
        except ImportError as error:
            raise ImportError(f"the studio needs gradio ({error}): pip install 'lightning_vc[studio]'") from error
        page = Page(Cloner.load(model, vocoder, trust or (), device), folder).blocks
        page.queue(max_size=20).launch(
            server_name=host,
            server_port=port,
            share=share,
            auth=(lambda _, given: compare_digest(given.encode(), password.encode())) if password else None,
            theme=gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
            css=CSS,
            max_file_size="20mb",
            state_session_capacity=32,  # voices can have 44 MB
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            quiet=True,
            prevent_thread_lock=True,
        )
        print(f"studio: {page.share_url or page.local_url} (Ctrl-C ends it)", flush=True)
        page.block_thread()


def main(args: Sequence[str] | None = None) -> None:
    call(studio, args)


if __name__ == "__main__":
    main()
