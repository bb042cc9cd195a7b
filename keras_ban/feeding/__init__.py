"""What `fit` is given, as examples: read, checked, numbered, shown."""
