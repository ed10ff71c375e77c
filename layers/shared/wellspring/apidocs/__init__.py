"""The API's description, and the page `GET /docs`, on which a person reads and tries it: Swagger UI, in one answer.

`openapi.json` is written by `make openapi`: the document of `GET /v1/openapi.json`, as docs/openapi.json has it.
`swagger_ui/` holds Swagger UI as `local/vendor_docs.py` took it from npm.
"""
