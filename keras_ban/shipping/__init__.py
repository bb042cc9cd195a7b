"""How a model leaves: written, loaded again, compared, described."""
