"""Integration events of stars: none."""

from adapters.integration_events.kernel import keep_private
from domain.content.star import Star

for event_class in (Star.Placed, Star.PlacedAgain, Star.Removed):
    keep_private(event_class, "what a person wants to find quickly concerns no other person")
