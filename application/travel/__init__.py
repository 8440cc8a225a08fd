"""Time travel: what aggregates were at a moment, what differs between two, and what one request caused."""
