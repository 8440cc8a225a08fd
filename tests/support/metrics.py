"""The metrics of this process, as they are scraped."""

from collections.abc import Mapping

from prometheus_client import REGISTRY


def sample(name: str, labels: Mapping[str, str] | None = None) -> float | None:
    """Return the value of a metric; None: it has none with these labels.

    Only this metric is collected: all of them take 50 ms once many requests have been measured.
    """
    samples = (each for metric in REGISTRY.restricted_registry([name]).collect() for each in metric.samples)
    return next((each.value for each in samples if each.name == name and each.labels == (labels or {})), None)
