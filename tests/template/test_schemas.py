"""What leaves as JSON, as the snapshots have it, against the schemas of schema/."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker

ROOT = Path(__file__).parents[2]


def validators():
    schemas = [json.loads(path.read_text()) for path in (ROOT / "schema").glob("*.json")]
    for schema in schemas:
        Draft202012Validator.check_schema(schema)
    checker = FormatChecker()
    return {
        schema["$id"]: Draft202012Validator(schema, format_checker=checker) for schema in schemas
    }


def documents():
    """Every snapshot that names a schema, by its file."""
    found = {}
    for path in sorted((ROOT / "src").rglob("*.snap")):
        body = path.read_text().split("---\n", 2)[2]
        if body.startswith("{"):
            document = json.loads(body)
            if "schema" in document:
                found[path.name] = document
    return found


DOCUMENTS = documents()


def test_all_contracts_have_snapshots():
    assert {document["schema"] for document in DOCUMENTS.values()} == set(validators())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_snapshot_is_as_its_schema_says(name):
    document = DOCUMENTS[name]
    validators()[document["schema"]].validate(document)


OF_INCIDENTS = [name for name, one in DOCUMENTS.items() if "/digest/" not in one["schema"]]


@pytest.mark.parametrize("name", OF_INCIDENTS)
def test_a_field_that_is_missing_or_of_another_list_is_refused(name):
    document = DOCUMENTS[name]
    validator = validators()[document["schema"]]
    one = document["incidents"][0] if "incidents" in document else document
    for field in ("key", "cause", "scope", "severity", "confidence", "title", "nodes", "node_count"):
        value = one.pop(field)
        assert not validator.is_valid(document), field
        one[field] = value
    for field in ("cause", "severity", "confidence"):
        value, one[field] = one[field], "no such name"
        assert not validator.is_valid(document), field
        one[field] = value
    assert validator.is_valid(document)
