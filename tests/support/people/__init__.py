"""People who share, leave, transfer and delete at random, and a plain model of who sees what with which role."""
