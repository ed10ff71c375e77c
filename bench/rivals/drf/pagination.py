"""Pages of lists."""

from typing import Any

from rest_framework.pagination import CursorPagination
from rest_framework.response import Response


class Pages(CursorPagination):
    """Keyset pages. They are the REST framework's; djangorestframework-jsonapi has only ones that count all rows."""

    cursor_query_param = "page[cursor]"
    page_size_query_param = "page[size]"
    ordering = ("-created_at", "-key")

    def get_paginated_response(self, data: Any) -> Any:
        """Return the page, with its links where JSON:API has them."""
        return Response({"results": data, "links": {"next": self.get_next_link(), "prev": self.get_previous_link()}})
