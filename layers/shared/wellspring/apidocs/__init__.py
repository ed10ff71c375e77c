"""The page `GET /docs`, on which a person reads and tries the API: Swagger UI, all of it in one answer.

`swagger_ui/` holds Swagger UI as `local/vendor_docs.py` took it from npm.
"""
