"""Payload format 2.0, both ways."""

import base64
from typing import Any

import pytest

from local.payload import InvalidAnswerError, Request, from_answer, to_event


def request(
    path: str = "/v1/things",
    query: str = "",
    *headers: tuple[str, str],
    body: bytes = b"",
    method: str = "GET",
) -> Request:
    return Request(method, path, query, [("host", "localhost:3000"), *headers], body)


def event(given: Request, claims: dict[str, str] | None = None, **parameters: str) -> dict[str, Any]:
    return to_event(given, "GET /v1/things", parameters, claims)


def test_a_bare_request_has_only_the_members_that_have_something_to_say() -> None:
    made = event(request())
    assert made.keys() == {
        *("version", "routeKey", "rawPath", "rawQueryString", "headers", "requestContext", "isBase64Encoded"),
    }
    assert made["version"] == "2.0"
    assert made["routeKey"] == made["requestContext"]["routeKey"] == "GET /v1/things"
    assert "authorizer" not in made["requestContext"]


def test_the_context_names_the_request() -> None:
    given = request("/v1/things", "", ("user-agent", "curl/8"))
    context = event(given)["requestContext"]
    said = {"method": "GET", "path": "/v1/things", "protocol": "HTTP/1.1"}
    assert context["http"] == said | {"sourceIp": "127.0.0.1", "userAgent": "curl/8"}
    assert (context["requestId"], context["stage"], context["domainName"]) == (given.id, "$default", "localhost")


def test_claims_are_where_the_jwt_authorizer_puts_them() -> None:
    made = event(request(), {"sub": "somebody"})
    assert made["requestContext"]["authorizer"] == {"jwt": {"claims": {"sub": "somebody"}, "scopes": None}}


def test_the_path_is_decoded_and_the_query_is_not() -> None:
    made = event(request("/v1/a%20b%C3%BC", "page[size]=2&filter%5Bx%5D=%20"), id="a bü")
    assert made["rawPath"] == made["requestContext"]["http"]["path"] == "/v1/a bü"
    assert made["rawQueryString"] == "page[size]=2&filter%5Bx%5D=%20"
    assert made["pathParameters"] == {"id": "a bü"}


def test_query_parameters_are_decoded_and_repeated_ones_joined() -> None:
    made = event(request("/", "a=1&b=&a=2%2C3&page%5Bsize%5D=5&c=x+y"))
    assert made["queryStringParameters"] == {"a": "1,2,3", "b": "", "page[size]": "5", "c": "x y"}


def test_repeated_headers_are_joined_and_cookies_are_apart() -> None:
    made = event(request("/", "", ("accept", "a"), ("cookie", "x=1; y=2"), ("accept", "b"), ("cookie", "z=3")))
    assert made["headers"]["accept"] == "a,b"
    assert "cookie" not in made["headers"]
    assert made["cookies"] == ["x=1", "y=2", "z=3"]


@pytest.mark.parametrize(
    ("kind", "body", "is_text"),
    [
        *(
            (kind, "ü".encode(), True)
            for kind in ("application/json", "application/vnd.api+json", "text/plain; charset=utf-8", "image/svg+xml")
        ),
        ("application/octet-stream", b"abc", False),
        ("application/json", b"\xff\xfe", False),
        ("image/png", b"x", False),
    ],
)
def test_a_body_of_text_is_text_and_another_is_base64(kind: str, body: bytes, *, is_text: bool) -> None:
    made = event(request("/", "", ("content-type", kind), body=body, method="POST"))
    assert made["isBase64Encoded"] is not is_text
    assert (made["body"].encode() if is_text else base64.b64decode(made["body"])) == body


def test_an_answer_becomes_a_response() -> None:
    response = from_answer(
        {
            "statusCode": 201,
            "headers": {"Content-Type": "application/vnd.api+json", "X-Number": 1, "X-True": True},
            "cookies": ["a=1", "b=2"],
            "multiValueHeaders": {"ignored": ["x"]},
            "body": "{}",
        }
    )
    assert (response.status, response.body) == (201, b"{}")
    assert response.headers == (
        ("content-type", "application/vnd.api+json"),
        ("x-number", "1"),
        ("x-true", "true"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    )


@pytest.mark.parametrize("answer", [{"a": 1}, [1], "text", 7, None])
def test_an_answer_without_a_status_is_the_json_body_of_a_200(answer: object) -> None:
    response = from_answer(answer)
    assert (response.status, dict(response.headers)["content-type"]) == (200, "application/json")


def test_a_body_is_decoded_typed_and_left_out_where_a_status_has_none() -> None:
    assert from_answer({"statusCode": 200, "body": "/wA=", "isBase64Encoded": True}).body == b"\xff\x00"
    assert dict(from_answer({"statusCode": 200, "body": "x"}).headers) == {"content-type": "text/plain;charset=UTF-8"}
    assert [from_answer({"statusCode": status, "body": "x"}).body for status in (204, 304)] == [b"", b""]


def test_the_gateway_makes_its_own_length_and_connection_headers() -> None:
    answer = {"statusCode": 200, "headers": {"Content-Length": "9", "Connection": "close", "Transfer-Encoding": "x"}}
    assert from_answer(answer).headers == ()


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "abc"},
        {"statusCode": None},
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "cookies": "a=1"},
    ],
)
def test_any_other_answer_is_invalid(answer: object) -> None:
    with pytest.raises(InvalidAnswerError):
        from_answer(answer)
