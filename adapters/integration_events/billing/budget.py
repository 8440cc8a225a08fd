"""Budgets stay private: consumers have no use for the costs of single generations."""

from adapters.integration_events.kernel import keep_private
from domain.billing.budget import Budget

for event in (
    Budget.Opened,
    Budget.Reserved,
    Budget.Attributed,
    Budget.Charged,
    Budget.Settled,
    Budget.Released,
    Budget.NoticeReached,
):
    keep_private(event, "the costs of single generations are between us and the payer")
