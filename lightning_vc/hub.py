"""Exported models on the Hugging Face Hub: download to its cache, and upload with a model card.

A repository and its server are untrusted: only the files of an exported model are downloaded, each within limits of
size and time, and `pretrained.load_folder` compares them with SHA256SUMS. `hf_hub_download` is not used: it writes to
any path that a server gives as ETag, and limits neither. The address is that of huggingface_hub (HF_ENDPOINT).
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning_vc.console import short
from lightning_vc.files import SUMS, atomic_write, check_sum, inside, limited_blocks, read_sums, read_text, write_file

CARD = "README.md"
_MODELS = ("tts.safetensors", "encoder.safetensors", "vocoder.safetensors")
_LARGEST = {SUMS: 100_000, CARD: 1_000_000}  # bytes
_LARGEST_MODEL = 2_000_000_000  # bytes
_NAME = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_COMMIT = re.compile("[0-9a-f]{40}")
_TRIES = 5
_MOST_REDIRECTS = 10
_BLOCK = 1 << 20  # bytes
_LONGEST = 300  # characters of a server's error message that is shown
_TAGS = ("lightning_vc", "text-to-speech", "voice-cloning")
_BODY = """# {name}

A model of [lightning_vc](https://github.com/lightning-vc/lightning_vc) that clones voices from a few recordings:
{files}, in half precision.

```python
from lightning_vc import Cloner

cloner = Cloner.from_pretrained("{name}")  # pip install 'lightning_vc[hub]'
voice = cloner.clone(["a.wav", "b.wav"])
speech = cloner.say("Nobody has ever said this.", voice)
```

Clone a voice only if the person whose voice it is has agreed to it, and to what you let it say.
"""


def is_hub_name(name: str) -> bool:
    """Whether a name has the form organisation/repository."""
    return _NAME.fullmatch(name) is not None


def download(name: str, revision: str | None = None) -> Path:
    """Return the folder with a model of the Hub, in the cache of huggingface_hub.

    A revision that is complete in the cache is used without a network, a branch as it was when it was downloaded.

    Args:
        name: organisation/repository.
        revision: a branch, tag or commit; by default the branch main.

    Raises:
        ImportError: without huggingface_hub.
        FileNotFoundError: if there is no such repository or revision, or it is no exported model.
        OSError: if the Hub cannot be reached, or refuses.
        ValueError: for an invalid name, a file that is too large, and a SHA256SUMS that is damaged.
    """
    hub = _library(f"there is no folder {name}, and models")
    _check_name(name)
    cached = hub.try_to_load_from_cache(name, SUMS, revision=revision)
    if isinstance(cached, str) and all(Path(cached).with_name(file).is_file() for file in _listed(Path(cached), name)):
        return Path(cached).parent
    repository = Path(hub.constants.HF_HUB_CACHE, f"models--{name.replace('/', '--')}")
    where = f"{name} at {revision}" if revision else name
    with _named_errors(hub, where, "is no folder here and not complete in the cache"):
        commit = hub.get_hf_file_metadata(hub.hf_hub_url(name, SUMS, revision=revision)).commit_hash
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            raise OSError(f"it names the commit {short(commit)}, which is none")
        folder = repository / "snapshots" / commit  # of all files, even if the branch moves on meanwhile
        _fetch(hub, name, SUMS, folder)
        for file in _listed(folder / SUMS, name):
            _fetch(hub, name, file, folder)
        with suppress(hub.errors.EntryNotFoundError):  # a model can be used without a card
            _fetch(hub, name, CARD, folder)
        if revision != commit:
            write_file(inside(repository / "refs", revision or hub.constants.DEFAULT_REVISION), commit)
    return folder


def push_to_hub(
    folder: str | Path, name: str, licence: str, datasets: Sequence[str] = (), private: bool = False
) -> str:
    """Upload an exported folder in one commit, with a model card; returns the address of the commit.

    The repository is created if there is none. The text of a README.md in the folder becomes that of the card; its
    metadata get the name of the library, tags, licence and corpora.

    Args:
        folder: what `pretrained.export` wrote.
        name: organisation/repository.
        licence: identifier of the Hub for the licence of the weights, such as cc-by-4.0.
        datasets: identifiers of the corpora that the model was trained on.
        private: create the repository as private.

    Raises:
        ImportError: without huggingface_hub.
        FileNotFoundError: for a folder that is no exported model.
        OSError: if the Hub cannot be reached, or refuses.
        ValueError: for an invalid name, an empty licence, and files that differ from SHA256SUMS.
    """
    hub = _library("models")
    _check_name(name)
    if not licence.strip():
        raise ValueError("the licence of the model is missing: give the Hub's identifier of one, such as cc-by-4.0")
    if not Path(folder, SUMS).is_file():
        raise FileNotFoundError(f"no {SUMS} in {folder}: export the model first")
    files = _listed(Path(folder, SUMS), str(folder))
    for file in files:
        check_sum(Path(folder, file))
    card = Path(folder, CARD)
    text = read_text(card, _LARGEST[CARD]) if card.is_file() else _BODY.format(name=name, files=", ".join(files))
    text = _card(hub, text, licence, datasets)
    contents: dict[str, bytes | Path] = {file: Path(folder, file) for file in [*files, SUMS]} | {CARD: text.encode()}
    changes = [hub.CommitOperationAdd(path_in_repo=file, path_or_fileobj=data) for file, data in contents.items()]
    api = hub.HfApi()
    with _named_errors(hub, name, "cannot be uploaded"):
        api.create_repo(name, private=private, exist_ok=True)
        commit = api.create_commit(name, changes, commit_message="Upload a model of lightning_vc")
    return str(commit.commit_url)


def _card(hub: Any, text: str, licence: str, datasets: Sequence[str]) -> str:
    """Return the text of a model card with the metadata of this library."""
    card = hub.ModelCard(text if text.startswith("---\n") else f"---\nlibrary_name: lightning_vc\n---\n\n{text}")
    card.data.library_name, card.data.pipeline_tag, card.data.license = "lightning_vc", "text-to-speech", licence
    card.data.tags = sorted({*(card.data.tags or ()), *_TAGS})
    if datasets:
        card.data.datasets = list(datasets)
    return str(card)


def _library(what: str) -> Any:
    """Return huggingface_hub; raises ImportError, naming what needs it."""
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError as error:
        raise ImportError(f"{what} of the Hub need huggingface_hub: pip install 'lightning_vc[hub]'") from error
    # With telemetry, it asks the server for a list of programs, of any length, and keeps that beside the cache.
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True
    return huggingface_hub


def _check_name(name: str) -> None:
    if not is_hub_name(name):
        raise ValueError(f"{short(name)} is no name of a repository on the Hub: write organisation/repository")


def _listed(sums: Path, name: str) -> list[str]:
    """Return the model files that SHA256SUMS lists; raises ValueError if it lists others or no TTS model."""
    files = list(read_sums(sums))
    if odd := [file for file in files if file not in _MODELS]:
        raise ValueError(f"{SUMS} of {name} lists {short(odd[0])}: an exported model has only {', '.join(_MODELS)}")
    if _MODELS[0] not in files:
        raise ValueError(f"{SUMS} of {name} does not list {_MODELS[0]}: it is no exported model of lightning_vc")
    return files


def _fetch(hub: Any, name: str, file: str, folder: Path) -> None:
    """Download a file to `folder`, whose name is the hash of the commit, unless the file is there."""
    if (folder / file).is_file():
        return
    url = hub.hf_hub_url(name, file, revision=folder.name)
    size, most = hub.get_hf_file_metadata(url).size, _LARGEST.get(file, _LARGEST_MODEL)
    if size is None or size > most:
        raise ValueError(f"{file} of {name} has {size} bytes, where at most {most:,} are allowed")
    for attempt in range(1, _TRIES + 1):
        try:
            with atomic_write(folder / file) as partial, partial.open("wb") as out, _answer(hub, url) as answer:
                for block in limited_blocks(answer.iter_raw(_BLOCK), size):
                    out.write(block)
                if out.tell() != size:
                    raise OSError(f"{file} has {out.tell()} bytes, and {size} were declared")
            return
        except hub.errors.HTTPError as error:
            if isinstance(error, hub.errors.HfHubHTTPError) or attempt == _TRIES:
                raise
        except ValueError as error:
            raise ValueError(f"{file} of {name} was not downloaded: {error}") from error


@contextmanager
def _answer(hub: Any, url: str) -> Iterator[Any]:
    """Stream the answer to a request; the texts of redirects and errors, which may be endless, are not read."""
    headers: Any = {**hub.utils.build_hf_headers(), "Accept-Encoding": "identity"}
    options = {"timeout": hub.constants.HF_HUB_DOWNLOAD_TIMEOUT, "follow_redirects": False, "retry_on_status_codes": ()}
    for _ in range(_MOST_REDIRECTS):
        with hub.utils.http_stream_backoff("GET", url, headers=headers, **options) as answer:
            if answer.next_request is None:
                if answer.is_error:
                    answer.close()
                hub.utils.hf_raise_for_status(answer)
                yield answer
                return
            url, headers = str(answer.next_request.url), answer.next_request.headers  # no token for another server
    raise OSError(f"it redirects more than {_MOST_REDIRECTS} times")


@contextmanager
def _named_errors(hub: Any, where: str, what: str) -> Iterator[None]:
    """Name repository, problem and remedy in errors of huggingface_hub."""
    place = hub.constants.ENDPOINT
    errors = hub.errors
    try:
        yield
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as error:
        raise FileNotFoundError(
            f"{where} is neither a folder here nor a repository that {place} shows you: check name and revision; "
            f"`hf auth login` gives access to private ones ({_first_line(error)})"
        ) from error
    except (OSError, errors.HTTPError) as error:  # HTTPError is that of the HTTP library, such as a refused connection
        raise OSError(f"{where} {what}, and {place} does not answer as expected: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    cause = error.__cause__ or error
    return next(iter(str(cause).splitlines()), type(cause).__name__)[:_LONGEST]
