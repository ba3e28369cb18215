"""Audio: reading and writing of files, conditioning, spectrograms, vocoders."""
