"""Text processing: text to words with phonemes (`normalize`), words to symbol numbers (`frontend`, `symbols`)."""
