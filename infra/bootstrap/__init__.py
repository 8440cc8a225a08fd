"""The composition root: here alone the parts get to know each other. One module a role; each loads only its own."""
