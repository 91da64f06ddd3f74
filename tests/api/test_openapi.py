"""The API's description of itself."""

import pytest


@pytest.fixture
def document(client, db):
    response = client.get("/api/v1/openapi.json")
    assert response.status_code == 200
    return response.json()


def test_every_endpoint_is_described_without_a_warning(document, caplog, capsys):
    assert document["openapi"].startswith("3.1")
    operations = [(path, method) for path, methods in document["paths"].items() for method in methods]
    assert ("/api/v1/batches/{batch_id}/accept", "post") in operations
    assert "Warning" not in capsys.readouterr().err


def test_every_operation_names_its_refusals(document):
    for methods in document["paths"].values():
        for operation in methods.values():
            refusals = [code for code in operation["responses"] if code >= "400"]
            assert {"400", "404", "429", "503"} <= set(refusals)
            assert all("application/problem+json" in operation["responses"][code]["content"] for code in refusals)
