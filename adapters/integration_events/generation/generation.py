"""Generations stay private: they are between an asker and a model."""

from adapters.integration_events.kernel import keep_private
from domain.generation.generation import Generation

for event in (
    Generation.Requested,
    Generation.OwnKeyChosen,
    Generation.AttemptStarted,
    Generation.AttemptEnded,
    Generation.Answered,
    Generation.VariantsAnswered,
    Generation.DraftAccepted,
    Generation.DraftDiscarded,
    Generation.TextRefused,
    Generation.Failed,
    Generation.GivenUp,
    Generation.Cancelled,
    Generation.StandInChosen,
    Generation.RequestedAgain,
    Generation.Erased,
):
    keep_private(event, "what a person asks a model for is only for that person")
