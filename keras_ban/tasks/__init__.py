"""What a model's output is, and what follows from it."""
