import base64
import hashlib
import sqlite3

import gruut_lang_en
import pycrfsuite
import pytest

from lightning_vc.text.symbols import PHONEMES, SYMBOLS, number, phoneme_symbol


def test_the_table_is_the_one_that_checkpoints_were_trained_with():
    first = SYMBOLS[:110]  # later symbols may only be added behind these
    digest = hashlib.sha256("\n".join(first).encode()).hexdigest()
    assert digest == "7f1062127c5a4bf40464363c7748810ad38a3ae7a2b7ae0f3ab72a6bfcb4d4ef"


def test_the_table_begins_with_padding_end_space_punctuation_and_pauses():
    assert SYMBOLS[:14] == ("<pad>", "<end>", " ", ",", ".", "?", "!", ";", ":", "-", "~", "/", "%", "'")


def test_no_symbol_is_there_twice():
    assert len(set(SYMBOLS)) == len(SYMBOLS)


def test_letters_and_phonemes_that_look_alike_are_two_symbols():
    assert phoneme_symbol("b") == "/b/"
    assert number(["b", "/b/", "'", "ˈɛ".join("//")]) == [15, 40, 13, 99]


def test_every_pronunciation_of_the_lexicon_is_covered():
    lexicon = sqlite3.connect(gruut_lang_en.get_lang_dir() / "lexicon.db")
    result = {phoneme for (row,) in lexicon.execute("SELECT phonemes FROM word_phonemes") for phoneme in row.split()}
    lexicon.close()
    assert len(result) == 70
    assert result == set(PHONEMES)


def test_every_guess_of_the_letter_to_sound_model_is_covered():
    model = pycrfsuite.Tagger()
    model.open(str(gruut_lang_en.get_lang_dir() / "g2p" / "model.crf"))
    labels = [base64.b64decode(label).decode() for label in model.labels()]
    result = {phoneme for label in labels for phoneme in label.split("|")} - {"_"}
    assert len(result) > 60
    assert result <= set(PHONEMES)


def test_unknown_symbols_are_named():
    with pytest.raises(ValueError, match="unknown symbols 'B', 'ˈɛ': known are"):
        number(["a", "ˈɛ", "B", "B"])
