"""The web studio: `actions` computes, `page` shows."""
