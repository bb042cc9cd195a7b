"""What students learn from: frozen teachers, and their outputs kept."""
