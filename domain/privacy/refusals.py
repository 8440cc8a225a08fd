"""What erasures and legal holds refuse."""

from domain.kernel import Conflict, Forbidden


class ErasureIsHeld(Conflict):
    """A legal hold keeps this from being erased, as long as it is not lifted."""


class SameOperator(Forbidden):
    """A legal hold takes two people: one asks, and another one confirms."""


class HoldIsNotWaiting(Conflict):
    """The legal hold is not in the state that the command needs."""
