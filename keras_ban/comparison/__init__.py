"""Methods beside their twins, seed by seed, and what can be told of them."""
