"""The catalogue of models: the file that is shipped, and files that are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.provider.catalogue import Catalogue, WrongCatalogue
from application.ports import Model, UnknownModel

FULL = """
default = "small"

[[models]]
name = "large"
provider_name = "vendor/large-2026"
api = "chat"
input_price = 2_000_000
output_price = 8_000_000
context_window = 1000
max_output_tokens = 500
capabilities = ["temperature"]
fallbacks = ["small"]

[[models]]
name = "small"
api = "responses"
input_price = 1
output_price = 3
context_window = 1000
max_output_tokens = 500
capabilities = ["temperature"]
fallbacks = []
"""


def test_the_catalogue_that_is_shipped_is_valid() -> None:
    catalogue = Catalogue.read()
    assert catalogue.default in catalogue.all()
    assert [catalogue.find(model.name) for model in catalogue.all()] == [*catalogue.all()]


def test_a_file_is_read() -> None:
    catalogue = Catalogue(FULL)
    assert catalogue.default.name == "small"
    assert catalogue.find("large") == Model("large", 2_000_000, 8_000_000, 1000, 500, ("temperature",), ("small",))
    assert catalogue.entry("large").provider_name == "vendor/large-2026"
    with pytest.raises(UnknownModel, match="GET /v1/models"):
        catalogue.find("medium")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('default = "small"', 'default = "medium"', "the default medium is none"),
        ('name = "small"', 'name = "large"', "given twice"),
        ('fallbacks = ["small"]', 'fallbacks = ["medium"]', "medium is no other model"),
        ('fallbacks = ["small"]', 'fallbacks = ["large"]', "large is no other model"),
        ("output_price = 3", "output_price = 9_000_000", "small costs more"),
        ("input_price = 1\n", "input_price = 9_000_000\n", "small costs more"),
        ("input_price = 1\n", "input_price = 1.5\n", "Expected `int`"),
        ("input_price = 1\n", "input_price = -1\n", ">= 0"),
        ('api = "chat"', 'api = "telnet"', "Invalid enum value"),
        ('api = "chat"', 'api = "chat"\ncolour = "red"', "unknown field"),
        ("output_price = 3", "output_price = 3\nbatch_output_price = 1", "a price of prompts and one of answers"),
        ("output_price = 3", "output_price = 3\nbatch_input_price = 1\nbatch_output_price = 4", "more in a batch"),
        ("context_window = 1000\n", "context_window = 100\n", "does not fit the context window"),
        ('default = "small"', "default = small", "Invalid"),
    ],
)
def test_a_wrong_file_is_refused_in_words(old: str, new: str, fault: str) -> None:
    with pytest.raises(WrongCatalogue, match=fault):
        Catalogue(FULL.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("max_output_tokens = 500", "max_output_tokens = 400", "takes less"),
        ("context_window = 1000", "context_window = 900", "takes less"),
        ('capabilities = ["temperature"]', "capabilities = []", "can do less"),
    ],
)
def test_a_fallback_takes_what_its_model_takes(old: str, new: str, fault: str) -> None:
    start, found, end = FULL.rpartition(old)
    assert found
    with pytest.raises(WrongCatalogue, match=fault):
        Catalogue(start + new + end)


PRICES = st.integers(0, 10**9)
TOKENS = st.integers(0, 10**7)


@given(PRICES, PRICES, TOKENS, TOKENS)
def test_a_cost_is_exact_and_rounded_up_once(input_price: int, output_price: int, put_in: int, put_out: int) -> None:
    model = Model("m", input_price, output_price, 1, 1, (), ())
    exact = put_in * input_price + put_out * output_price
    assert model.cost(put_in, put_out) * 1_000_000 - 1_000_000 < exact <= model.cost(put_in, put_out) * 1_000_000


@given(TOKENS, TOKENS, TOKENS, TOKENS)
def test_what_is_reserved_covers_every_shorter_answer_of_a_fallback(a: int, b: int, c: int, d: int) -> None:
    catalogue = Catalogue.read()
    for model in catalogue.all():
        for fallback in map(catalogue.find, model.fallbacks):
            assert fallback.cost(min(a, c), min(b, d)) <= model.cost(max(a, c), max(b, d))


def test_prices_of_batches_are_read() -> None:
    prices = "output_price = 3\nbatch_input_price = 0\nbatch_output_price = 2"
    small = Catalogue(FULL.replace("output_price = 3", prices, 1)).find("small")
    assert (small.batch_input_price, small.batch_output_price) == (0, 2)
    assert Catalogue(FULL).find("small").batch_input_price is None
