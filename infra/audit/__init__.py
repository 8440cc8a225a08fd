"""The audit tree: a transparency log over the stored events, in the formats of C2SP."""
