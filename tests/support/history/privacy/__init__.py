"""Steps of what is erased and kept."""
