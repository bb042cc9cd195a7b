"""Generation after generation: what each one's training takes."""
