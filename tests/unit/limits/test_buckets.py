"""Buckets of limits as values."""

from application.ports import Bucket, Quota


def test_what_is_shown_of_a_bucket_names_no_caller() -> None:
    shown = repr(Bucket(Quota("five", 5, 60, 3), "192.0.2.7", "192.0.2.0/24", cost=2))
    assert "192.0.2" not in shown
    assert "five" in shown
