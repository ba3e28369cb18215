import io
import math
import tarfile

import pytest
import soundfile
import torch

from lightning_vc.audio.conditioning import is_silent, trim
from lightning_vc.audio.io import encode, read, resample, writable, write, write_parts

FORMATS = (".wav", ".flac", ".ogg", ".opus", ".mp3")
LOSSLESS = (".wav", ".flac")


def tone(seconds, rate, hertz=440, peak=0.5):
    """(W,) of a sine with soft ends."""
    time = torch.arange(round(seconds * rate)) / rate
    fade = (torch.minimum(time, seconds - time) / 0.05).clamp(max=1)
    return peak * fade * torch.sin(2 * math.pi * hertz * time)


def loudest(wave, rate):
    """Frequency of the strongest part of (W,), hertz."""
    return float(torch.fft.rfft(wave).abs().argmax() * rate / len(wave))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
def test_a_written_file_is_resampled_when_read(tmp_path, suffix, rate):
    write(tmp_path / f"a{suffix}", tone(1, rate), rate)
    wave = read(tmp_path / f"a{suffix}", 16000)
    assert wave.dtype == torch.float32
    assert wave.shape == (16000,)
    assert loudest(wave, 16000) == pytest.approx(440, abs=1)
    assert float(wave.square().mean()) == pytest.approx(0.5 * 0.25 * (1 - 0.1 * 2 / 3), rel=0.05)


@pytest.mark.parametrize("suffix", FORMATS)
def test_open_files_and_members_of_tars_are_read_like_paths(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write(path, tone(0.5, 16000), 16000)
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(path, "a")
    wave = read(path, 16000)
    assert torch.equal(read(str(path), 16000), wave)
    assert torch.equal(read(io.BytesIO(path.read_bytes()), 16000), wave)
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert torch.equal(read(tar.extractfile("a"), 16000), wave)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_formats_give_back_16_bits(tmp_path, suffix):
    wave = torch.randint(-32768, 32768, (5000,)) / 32768
    write(tmp_path / f"a{suffix}", wave, 16000)
    assert soundfile.info(tmp_path / f"a{suffix}").subtype == "PCM_16"
    assert torch.equal(read(tmp_path / f"a{suffix}", 16000), wave)


def test_flac_bytes_give_back_16_bits():
    wave = torch.randint(-32768, 32768, (5000,)) / 32768
    assert torch.equal(read(io.BytesIO(encode(wave, 16000, ".flac")), 16000), wave)


def test_channels_are_averaged(tmp_path):
    samples = torch.tensor([[0.5, -0.25, 0.0]] * 100)
    soundfile.write(tmp_path / "a.wav", samples.numpy(), 16000, subtype="FLOAT")
    assert torch.allclose(read(tmp_path / "a.wav", 16000), torch.full((100,), 0.25 / 3))


@pytest.mark.parametrize(
    ("suffix", "rate", "written"),
    [
        (".opus", 22050, 24000),
        (".opus", 16000, 16000),
        (".opus", 44100, 48000),
        (".opus", 96000, 48000),
        (".mp3", 7000, 8000),
        (".mp3", 22050, 22050),
        (".mp3", 96000, 48000),
        (".wav", 11127, 11127),
    ],
)
def test_codings_that_know_few_rates_get_the_next_higher(tmp_path, suffix, rate, written):
    write(tmp_path / f"a{suffix}", tone(0.5, rate), rate)
    info = soundfile.info(tmp_path / f"a{suffix}")
    assert (info.samplerate, info.duration) == (written, pytest.approx(0.5, abs=0.001))


def test_a_suffix_may_be_upper_case_and_folders_are_made(tmp_path):
    write(tmp_path / "new" / "folder" / "A.WAV", tone(0.1, 8000), 8000)
    assert len(read(tmp_path / "new" / "folder" / "A.WAV", 8000)) == 800


def test_a_minute_of_vorbis_is_written(tmp_path):
    write(tmp_path / "a.ogg", tone(60, 48000), 48000)
    assert soundfile.info(tmp_path / "a.ogg").frames == 60 * 48000


def test_loud_samples_are_clipped_not_wrapped(tmp_path):
    write(tmp_path / "a.wav", torch.tensor([1.5, -1.5, 0.5]), 16000)
    assert read(tmp_path / "a.wav", 16000).tolist() == pytest.approx([1, -1, 0.5], abs=1e-4)


def test_a_wave_that_is_trained_through_is_written(tmp_path):
    write(tmp_path / "a.wav", torch.zeros(10, dtype=torch.float64, requires_grad=True) + 0.5, 16000)
    assert read(tmp_path / "a.wav", 16000).tolist() == [0.5] * 10


def test_odd_rates_are_resampled_without_gigabytes():
    wave = resample(tone(1, 44101), 44101, 16000)
    assert len(wave) == pytest.approx(16000, abs=1)
    assert loudest(wave, 16000) == pytest.approx(440, abs=1)


@pytest.mark.parametrize(("rate", "sample_rate"), [(48000, 16000), (44100, 16000), (16000, 44100), (44101, 16000)])
def test_long_recordings_are_resampled_in_blocks(rate: int, sample_rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """45 minutes at 48 kHz took 4 GB at once."""
    wave = torch.randn(2 * rate + 1, generator=torch.Generator().manual_seed(0))
    whole = resample(wave, rate, sample_rate)
    monkeypatch.setattr("lightning_vc.audio.io._RESAMPLED", 7000)
    assert torch.allclose(resample(wave, rate, sample_rate), whole, atol=1e-6)


def test_resampling_keeps_what_both_rates_can_hold():
    wave = resample(tone(1, 48000), 48000, 16000)
    assert torch.allclose(wave[1000:-1000], tone(1, 16000)[1000:-1000], atol=1e-3)


def test_a_missing_recording_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.wav: no such recording"):
        read(tmp_path / "none.wav", 16000)


def test_a_folder_is_no_recording(tmp_path):
    (tmp_path / "clips").mkdir()
    with pytest.raises(ValueError, match="clips is not a file"):
        read(tmp_path / "clips", 16000)


@pytest.mark.parametrize("suffix", [*FORMATS, ".raw", ".txt", ""])
@pytest.mark.parametrize("content", [b"", b"Hello, this is a text. " * 40])
def test_errors_name_a_file_that_is_not_audio(tmp_path, suffix, content):
    (tmp_path / f"talk{suffix}").write_bytes(content)
    with pytest.raises(ValueError, match=rf"talk{suffix} cannot be read as audio \(.*\): give \.wav, .* or \.mp3"):
        read(tmp_path / f"talk{suffix}", 16000)


def test_half_a_flac_file_is_refused(tmp_path):
    whole = encode(torch.rand(160000) - 0.5, 16000, ".flac")
    (tmp_path / "half.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"half\.flac cannot be read as audio"):
        read(tmp_path / "half.flac", 16000)


def test_an_open_file_without_a_name_is_refused_too():
    with pytest.raises(ValueError, match="the open file cannot be read as audio"):
        read(io.BytesIO(b"text"), 16000)


def test_a_recording_without_samples_is_named(tmp_path):
    soundfile.write(tmp_path / "nothing.wav", [], 16000)
    with pytest.raises(ValueError, match=r"nothing\.wav is empty"):
        read(tmp_path / "nothing.wav", 16000)


@pytest.mark.parametrize("sample", [math.nan, math.inf])
def test_samples_that_are_no_numbers_are_named(tmp_path, sample):
    soundfile.write(tmp_path / "broken.wav", [0.0, sample], 16000, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"broken\.wav holds samples that are NaN or infinite"):
        read(tmp_path / "broken.wav", 16000)


def test_an_unknown_format_is_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"a\.m4a: cannot write audio as '\.m4a': end the name in \.wav, "):
        write(tmp_path / "a.m4a", tone(0.1, 16000), 16000)
    assert not (tmp_path / "a.m4a").exists()


def test_writable_reports_an_output_path_that_cannot_be_written(tmp_path):
    assert writable(tmp_path / "a" / "b" / "c.wav") == tmp_path / "a" / "b" / "c.wav"
    assert not list(tmp_path.iterdir())
    (tmp_path / "a.wav").write_text("kept")
    writable(tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_text() == "kept"
    for nowhere in ("/proc/nope/a.wav", tmp_path / "a.wav" / "b.wav"):
        with pytest.raises(OSError, match=r"\.wav cannot be written: \w"):
            writable(nowhere)


@pytest.mark.parametrize(
    ("wave", "message"),
    [
        (torch.zeros(0), r"at least one, got \(0,\)"),
        (torch.zeros(1, 100), r"at least one, got \(1, 100\)"),
        (torch.tensor([0.0, math.nan]), "NaN or infinite"),
    ],
)
def test_invalid_waves_are_not_written(tmp_path, wave, message):
    with pytest.raises(ValueError, match=rf"a\.wav: .*{message}"):
        write(tmp_path / "a.wav", wave, 16000)
    with pytest.raises(ValueError, match=message):
        encode(wave, 16000, ".flac")


def test_trim_keeps_the_loud_part_and_a_margin():
    rate = 1000  # frames of 20 samples
    wave = torch.cat(
        [torch.zeros(1000), torch.full((1000,), 0.5) * torch.tensor([1, -1]).repeat(500), torch.zeros(995)]
    )
    assert torch.equal(trim(wave, rate), wave[900:2100])
    assert torch.equal(trim(wave, rate, margin=0), wave[1000:2000])
    assert torch.equal(trim(wave, rate, margin=2), wave)


@pytest.mark.parametrize(("level_db", "length"), [(-50, 1200), (-30, 3000)])
def test_trim_cuts_what_is_quieter_than_top_db(level_db, length):
    wave = torch.tensor([1.0, -1.0]).repeat(1500) * 10 ** (level_db / 20)
    wave[1000:2000] *= 10 ** (-level_db / 20)
    assert len(trim(wave, 1000, top_db=40)) == length


def test_trim_looks_past_a_constant_offset():
    wave = torch.cat([torch.zeros(1000), tone(1, 1000, hertz=100), torch.zeros(1000)]) + 0.2
    assert len(trim(wave, 1000)) == pytest.approx(1200, abs=20)


@pytest.mark.parametrize("length", [2, 15, 1000, 1001])
def test_trim_leaves_alone_what_is_loud_throughout(length):
    wave = torch.tensor([0.5, -0.5]).repeat(600)[:length]
    assert torch.equal(trim(wave, 1000), wave)


def test_trim_names_what_is_silent():
    with pytest.raises(ValueError, match=r"clips/a\.wav is silent: give a recording in which somebody speaks"):
        trim(torch.zeros(1000), 16000, name="clips/a.wav")
    with pytest.raises(ValueError, match="the recording is silent"):
        trim(torch.zeros(0), 16000)


@pytest.mark.parametrize(
    ("wave", "silent"),
    [
        (torch.zeros(100), True),
        (torch.zeros(0), True),
        (torch.full((100,), 0.3), True),
        (tone(0.1, 8000, peak=5e-4), True),
        (tone(0.1, 8000, peak=5e-3), False),
    ],
)
def test_silence_is_what_stays_under_a_thousandth_of_full_scale(wave, silent):
    assert is_silent(wave) is silent


@pytest.mark.parametrize(
    "pattern", ["LibriSpeech/flac-sample/**/*.flac", "LibriSpeech/*/**/*.opus", "speechocean762/**/*.opus"]
)
def test_real_speech_is_read_and_trimmed(shared_data, pattern):
    path = next(shared_data.glob(pattern))
    wave = read(path, 16000)
    assert 16000 < len(wave) < 40 * 16000
    assert 0.01 < float(wave.abs().max()) <= 1
    assert 0.3 * len(wave) < len(trim(wave, 16000)) <= len(wave)


def test_parts_are_written_as_they_come(tmp_path):
    path, held = tmp_path / "a.wav", []

    def parts():
        for _ in range(3):
            held.append(path.stat().st_size if path.exists() else 0)
            yield torch.full((1600,), 0.5)

    write_parts(path, parts(), 16000)
    assert held[0] == 0
    assert held[2] - held[1] == 3200
    assert len(read(path, 16000)) == 4800


def test_no_parts_are_no_recording(tmp_path):
    with pytest.raises(ValueError, match=r"a\.wav: there is no recording to write"):
        write_parts(tmp_path / "a.wav", iter(()), 16000)
