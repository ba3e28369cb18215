"""Speech corpora."""
