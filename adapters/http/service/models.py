"""HTTP for the models that can be asked."""

from dataclasses import dataclass

from adapters.http.api.openapi import CONDITIONS, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer, content_tag, encode
from adapters.http.api.routers import Router, Tag
from application.ports import Model, Models
from domain.access import MODEL

router = Router("/v1/models", tag=Tag("models", "Models that write text, with their prices."))


@dataclass(frozen=True)
class ModelView:
    """A model. Prices are in micro-dollars for a million tokens. `fallbacks` answer while it cannot.

    `batch_input_price`, `batch_output_price`: of requests with the urgency `batch`; null: the model takes none.
    """

    name: str
    input_price: int
    output_price: int
    batch_input_price: int | None
    batch_output_price: int | None
    context_window: int
    max_output_tokens: int
    capabilities: list[str]
    fallbacks: list[str]


@dataclass(frozen=True)
class ModelList:
    """The models, and the name of the one that is asked if a request names none."""

    default: str
    models: list[ModelView]

    @property
    def etag(self) -> str:
        """A tag that changes with anything in the list."""
        return content_tag(encode(self))


@router.get("", response_model=ModelList, **operation("The models.", access=MODEL.action("list"), takes=CONDITIONS))
async def list_models(read: Read) -> Answer:
    """List the models that can be asked, with their prices and windows. The same for every caller."""
    return read.one(view_of(read.models))


def view_of(models: Models) -> ModelList:
    """Return the list of all models."""
    return ModelList(models.default.name, [_view(model) for model in models.all()])


def _view(model: Model) -> ModelView:
    return ModelView(
        name=model.name,
        input_price=model.input_price,
        output_price=model.output_price,
        batch_input_price=model.batch_input_price,
        batch_output_price=model.batch_output_price,
        context_window=model.context_window,
        max_output_tokens=model.max_output_tokens,
        capabilities=[*model.capabilities],
        fallbacks=[*model.fallbacks],
    )
