"""What `palimpsest doctor` finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A subject, its state, and advice; no advice means that all is well. A warning is no failure."""

    subject: str
    state: str
    advice: str = ""
    is_warning: bool = False

    @property
    def is_failure(self) -> bool:
        """Whether something must be corrected."""
        return bool(self.advice) and not self.is_warning
