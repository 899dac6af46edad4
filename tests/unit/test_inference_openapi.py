"""The OpenAPI document says what the code does."""

import re
from dataclasses import fields

from functions.inference.answer import Citation
from functions.inference.app import function
from functions.inference.openapi import REFUSALS, document
from functions.inference.schema import MOST_CHARACTERS, MOST_TOP_K, Filters, ResearchRequest
from functions.runtime import errors

SCHEMAS = document()["components"]["schemas"]


def names(kind: type) -> set[str]:
    return {field.name for field in fields(kind)}


def test_the_request_has_the_fields_that_are_read() -> None:
    question = SCHEMAS["Question"]
    assert set(question["properties"]) == names(ResearchRequest)
    assert set(question["properties"]["filters"]["properties"]) == names(Filters)
    assert question["additionalProperties"] is False
    assert question["properties"]["question"]["maxLength"] == MOST_CHARACTERS
    assert question["properties"]["top_k"]["maximum"] == MOST_TOP_K


def test_a_citation_has_the_fields_that_are_sent() -> None:
    assert set(SCHEMAS["Citation"]["properties"]) == names(Citation)


def test_every_refusal_is_a_status_of_the_error_tree() -> None:
    statuses = {str(kind.status) for kind in errors.ApiError.__subclasses__()}
    assert set(REFUSALS) <= statuses


def test_every_reference_leads_somewhere() -> None:
    references = re.findall(r"'#/components/schemas/(\w+)'", str(document()))
    assert references
    assert set(references) <= set(SCHEMAS)


def test_every_path_is_described_and_no_other() -> None:
    served = {route.path for route in function.routes} - {"/openapi.json"}  # type: ignore[attr-defined] # all are Routes
    assert set(document()["paths"]) == served
