"""Choice of the model that writes a text."""

from application.ports import Model, Models
from domain.generation.pricing import TokenPrice
from domain.generation.requesting import ModelChoice


def choose(models: Models, name: str | None) -> ModelChoice:
    """Return a model of the catalogue; None: the default one. Raises `UnknownModel`."""
    return _choice(models.default if name is None else models.find(name))


def cheaper(models: Models, name: str, prompt_tokens: int, output_tokens: int) -> ModelChoice | None:
    """Return the first model of the fallback chain that writes such a text for less; None: there is none.

    Raises:
        UnknownModel: the catalogue has not the model `name`.
    """
    asked = models.find(name)
    for fallback in map(models.find, asked.fallbacks):
        if fallback.cost(prompt_tokens, output_tokens) < asked.cost(prompt_tokens, output_tokens):
            return _choice(fallback)
    return None


def _choice(model: Model) -> ModelChoice:
    price = TokenPrice(model.input_price, model.output_price)
    takes_temperature = "temperature" in model.capabilities
    return ModelChoice(model.name, price, model.context_window, model.max_output_tokens, takes_temperature)
