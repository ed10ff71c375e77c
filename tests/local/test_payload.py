"""Payload format 2.0, both ways."""

import base64
from collections.abc import Mapping
from unittest.mock import ANY

import pytest

from local.payload import InvalidAnswerError, Request, from_answer, to_event


def request(path: str, query: str, *headers: tuple[str, str], body: bytes = b"") -> Request:
    return Request("GET", path, query, [("host", "localhost:3000"), *headers], body)


def test_a_bare_request_has_only_the_members_that_have_something_to_say() -> None:
    made = to_event(request("/v1/things", ""), "GET /v1/things", {}, None)
    members = ("version", "routeKey", "rawPath", "rawQueryString", "headers", "requestContext", "isBase64Encoded")
    assert made.keys() == set(members)
    assert "authorizer" not in made["requestContext"]


def test_an_event_is_what_api_gateway_makes_of_a_request() -> None:
    repeated = [("accept", "a"), ("cookie", "x=1; y=2"), ("accept", "b"), ("cookie", "z=3")]
    query = "a=1&b=&a=2%2C3&page%5Bsize%5D=5&c=x+y"
    given = request("/v1/a%20b%C3%BC", query, ("user-agent", "curl/8"), *repeated)
    made = to_event(given, "GET /v1/{id}", {"id": "a bü"}, {"sub": "somebody"})
    context, headers = made.pop("requestContext"), made.pop("headers")
    assert made == {
        "version": "2.0",
        "routeKey": "GET /v1/{id}",
        # The path is decoded, and the query is not.
        "rawPath": "/v1/a bü",
        "rawQueryString": query,
        "queryStringParameters": {"a": "1,2,3", "b": "", "page[size]": "5", "c": "x y"},
        "pathParameters": {"id": "a bü"},
        "cookies": ["x=1", "y=2", "z=3"],
        "isBase64Encoded": False,
    }
    assert (headers["accept"], "cookie" in headers) == ("a,b", False)
    assert context == {
        **dict.fromkeys(("accountId", "apiId", "domainPrefix", "time", "timeEpoch"), ANY),
        "authorizer": {"jwt": {"claims": {"sub": "somebody"}, "scopes": None}},
        "domainName": "localhost",
        "http": {
            "method": "GET",
            "path": "/v1/a bü",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "curl/8",
        },
        "requestId": given.id,
        "routeKey": "GET /v1/{id}",
        "stage": "$default",
    }


@pytest.mark.parametrize(
    ("kind", "body", "is_text"),
    [
        ("application/vnd.api+json", "ü".encode(), True),
        ("text/plain; charset=utf-8", "ü".encode(), True),
        ("image/png", b"abc", False),
        ("application/json", b"\xff\xfe", False),
    ],
)
def test_a_body_of_text_is_text_and_another_is_base64(kind: str, body: bytes, *, is_text: bool) -> None:
    made = to_event(request("/", "", ("content-type", kind), body=body), "GET /", {}, None)
    assert made["isBase64Encoded"] is not is_text
    assert (made["body"].encode() if is_text else base64.b64decode(made["body"])) == body


JSON, TEXT = ("content-type", "application/json"), ("content-type", "text/plain;charset=UTF-8")
# What a function answers beside `statusCode: 200`, and what becomes of it. The gateway's own are length and connection.
ANSWERS: list[tuple[Mapping[str, object], tuple[tuple[str, str], ...], bytes]] = [
    ({"headers": {"Content-Type": "application/json", "X-Number": 1}}, (JSON, ("x-number", "1")), b""),
    ({"headers": {"X-True": True}, "cookies": ["a=1"]}, (("x-true", "true"), ("set-cookie", "a=1")), b""),
    ({"headers": {"Content-Length": "9", "Connection": "close", "Transfer-Encoding": "x"}}, (), b""),
    ({"body": "x", "multiValueHeaders": {"ignored": ["x"]}}, (TEXT,), b"x"),
    ({"body": "/wA=", "isBase64Encoded": True}, (TEXT,), b"\xff\x00"),
]


@pytest.mark.parametrize(("answer", "headers", "body"), ANSWERS)
def test_an_answer_becomes_a_response(
    answer: Mapping[str, object], headers: tuple[tuple[str, str], ...], body: bytes
) -> None:
    response = from_answer({"statusCode": 200, **answer})
    assert (response.status, response.headers, response.body) == (200, headers, body)
    assert from_answer({"statusCode": 204, **answer}).body == b""


@pytest.mark.parametrize("answer", [{"a": 1}, "text", None])
def test_an_answer_without_a_status_is_the_json_body_of_a_200(answer: object) -> None:
    response = from_answer(answer)
    assert (response.status, response.headers) == (200, (JSON,))


@pytest.mark.parametrize(
    "answer",
    [
        *({"statusCode": status} for status in ("abc", None, 99, 600)),
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
