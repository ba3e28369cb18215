"""Words: written text to words with phonemes (`normalize`), words to numbered symbols (`frontend`, `symbols`)."""
