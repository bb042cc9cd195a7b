"""What was trained, as a table and a picture."""
