"""Sound: files in and out, spectrograms, vocoders."""
