"""Makes events with marks in place of personal fields, without any data key: what cannot be read cannot leak."""

from collections.abc import Sequence

from application.travel.seals import Seal, SealedList, SealedText
from domain.kernel import Root
from infra.sealing.keyring import erasure_before
from infra.store.codec import PartlyDecoded, build


def withhold(partly_decoded: Sequence[PartlyDecoded]) -> list[Root.Event]:
    """The events of the partly decoded states, which it changes. Marks stand where erased fields have their values.

    Raises:
        Exception: an upcast failed, or a state lacks a field.
    """
    marks: dict[Seal, tuple[SealedText, SealedList]] = {}
    for _, state, _, sealed in partly_decoded:
        for group, _, part in sealed:
            seal = Seal(state[group.subject], erasure_before(part))
            text, items = marks.get(seal) or marks.setdefault(seal, (SealedText(seal), SealedList(seal)))
            for name, erased in group.erased.items():
                state[name] = text if erased else items
    return build(partly_decoded)
