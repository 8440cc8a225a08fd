"""Choice of the model that writes a text."""

from application.ports import Model, Models
from domain.generation.pricing import TokenPrice
from domain.generation.refusals import UnusablePrompt
from domain.generation.requesting import ModelChoice
from domain.generation.urgency import Urgency


def choose(models: Models, name: str | None, urgency: Urgency = "now") -> ModelChoice:
    """Return a model of the catalogue, with its prices for an urgency; None: the default one.

    Raises:
        UnknownModel: the catalogue has not the model.
        UnusablePrompt: it takes no batches.
    """
    model = models.default if name is None else models.find(name)
    price = _price(model, urgency)
    if price is None:
        raise UnusablePrompt(f"{model.name} takes no batches: leave the urgency out, or choose another model.")
    return _choice(model, price)


def cheaper(
    models: Models, asked: ModelChoice, prompt_tokens: int, output_tokens: int, urgency: Urgency
) -> ModelChoice | None:
    """Return the first model of the fallback chain that writes such a text for less; None: there is none.

    Raises:
        UnknownModel: the catalogue has not the model that is asked for.
    """
    for fallback in map(models.find, models.find(asked.name).fallbacks):
        price = _price(fallback, urgency)
        if price is not None and price.cost(prompt_tokens, output_tokens) < asked.price.cost(
            prompt_tokens, output_tokens
        ):
            return _choice(fallback, price)
    return None


def _price(model: Model, urgency: Urgency) -> TokenPrice | None:
    if urgency == "now":
        return TokenPrice(model.input_price, model.output_price)
    if model.batch_input_price is None or model.batch_output_price is None:
        return None
    return TokenPrice(model.batch_input_price, model.batch_output_price)


def _choice(model: Model, price: TokenPrice) -> ModelChoice:
    takes_temperature = "temperature" in model.capabilities
    return ModelChoice(model.name, price, model.context_window, model.max_output_tokens, takes_temperature)
