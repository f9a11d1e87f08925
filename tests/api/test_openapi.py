"""The OpenAPI document, as clients and generators read it."""

import httpx


async def test_each_kind_has_a_payload_of_its_own_name_with_an_example(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    for kind in ("Sleep", "Webhook", "Primes"):
        assert schemas[f"{kind}Payload"]["examples"]
        assert schemas[f"{kind}Submission"]["properties"]["payload"]["$ref"] == f"#/components/schemas/{kind}Payload"
    assert not [name for name in schemas if "__" in name]
    body = document["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["discriminator"]["mapping"]) == {"sleep", "webhook", "primes", "explode"}


async def test_the_operations_routes_are_not_part_of_the_api(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert set(document["paths"]) == {
        "/jobs",
        *(f"/jobs/{{id}}{step}" for step in ("", "/cancel", "/redrive", "/events")),
    }
    assert document["paths"]["/jobs"]["post"]["security"]
