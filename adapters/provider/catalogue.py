"""The catalogue of models: a file in TOML, beside this one or named by the settings."""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from application.ports import Capability, Model, UnknownModel

ApiName = Literal["chat", "responses"]
ModelName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$")]
Price = Annotated[int, Meta(ge=0, le=1_000_000_000_000)]
TokenNumber = Annotated[int, Meta(ge=1, le=100_000_000)]


class WrongCatalogue(ValueError):
    """The file is no catalogue. The message says what is wrong."""


class CatalogueModel(Struct, frozen=True, forbid_unknown_fields=True):
    """A model as the file has it; `catalogue.toml` explains the fields."""

    name: ModelName
    api: ApiName
    input_price: Price
    output_price: Price
    context_window: TokenNumber
    max_output_tokens: TokenNumber
    capabilities: tuple[Capability, ...]
    fallbacks: tuple[ModelName, ...]
    provider_name: ModelName | None = None
    batch_input_price: Price | None = None
    batch_output_price: Price | None = None

    def view(self) -> Model:
        """Return what use cases know of the model."""
        return Model(
            self.name,
            self.input_price,
            self.output_price,
            self.context_window,
            self.max_output_tokens,
            self.capabilities,
            self.fallbacks,
            self.batch_input_price,
            self.batch_output_price,
        )


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    default: ModelName
    models: tuple[CatalogueModel, ...]


class Catalogue:
    """Implements `application.ports.Models`."""

    def __init__(self, content: str) -> None:
        """Read a catalogue.

        Raises:
            WrongCatalogue
        """
        try:
            file = msgspec.toml.decode(content, type=_File)
        except (msgspec.DecodeError, ValueError) as error:
            raise WrongCatalogue(str(error)) from None
        self._entries = {entry.name: entry for entry in file.models}
        self._models = {name: entry.view() for name, entry in self._entries.items()}
        faults = [*_faults(file, self._entries)]
        if faults:
            raise WrongCatalogue("; ".join(faults))
        self._default = self._models[file.default]

    @classmethod
    def read(cls, path: Path | None = None) -> "Catalogue":
        """Read a catalogue from a file; None: the one beside this module.

        Raises:
            WrongCatalogue
            OSError: the file cannot be read.
        """
        return cls((path or files("adapters.provider").joinpath("catalogue.toml")).read_text())

    @property
    def default(self) -> Model:
        """Return the model for requests that name none."""
        return self._default

    def all(self) -> Sequence[Model]:
        """Return all models, in the order of the file."""
        return tuple(self._models.values())

    def find(self, name: str) -> Model:
        """Return a model. Raises `UnknownModel`."""
        return self.entry(name).view()

    def entry(self, name: str) -> CatalogueModel:
        """Return a model with what the adapter needs. Raises `UnknownModel`."""
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownModel("There is no such model; GET /v1/models lists them.")
        return entry


def _faults(file: _File, entries: dict[str, CatalogueModel]) -> Iterator[str]:
    if len(entries) < len(file.models):
        yield "a name is given twice"
    if file.default not in entries:
        yield f"the default {file.default} is none of the models"
    for entry in file.models:
        if entry.max_output_tokens > entry.context_window:
            yield f"{entry.name}: the longest answer does not fit the context window"
        yield from _batch_faults(entry)
        for name in entry.fallbacks:
            yield from _fallback_faults(entry, name, entries.get(name))


def _batch_faults(entry: CatalogueModel) -> Iterator[str]:
    batch = (entry.batch_input_price, entry.batch_output_price)
    if batch.count(None) == 1:
        yield f"{entry.name}: batches have a price of prompts and one of answers, or neither"
    usual = (entry.input_price, entry.output_price)
    if any(less is not None and less > price for less, price in zip(batch, usual, strict=True)):
        yield f"{entry.name}: its texts cost more in a batch"


def _fallback_faults(entry: CatalogueModel, name: str, fallback: CatalogueModel | None) -> Iterator[str]:
    """A fallback is paid for by the reservation for the model that was asked, and gets the same prompt."""
    if fallback is None or fallback is entry:
        yield f"{entry.name}: its fallback {name} is no other model"
        return
    if fallback.input_price > entry.input_price or fallback.output_price > entry.output_price:
        yield f"{entry.name}: its fallback {name} costs more"
    if fallback.context_window < entry.context_window or fallback.max_output_tokens < entry.max_output_tokens:
        yield f"{entry.name}: its fallback {name} takes less"
    if not {*entry.capabilities} <= {*fallback.capabilities}:
        yield f"{entry.name}: its fallback {name} can do less"
