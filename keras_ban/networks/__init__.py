"""Networks as wholes: alike, averaged, run, in each other's place."""
