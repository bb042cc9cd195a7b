"""All that a running training would lose."""
