"""The composition root: only these modules know all concrete classes. One module for each role."""
