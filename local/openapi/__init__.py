"""The OpenAPI 3.1 document, made from the declarations that serve the requests: nothing is said twice."""

from local.openapi.document import document

__all__ = ["document"]
