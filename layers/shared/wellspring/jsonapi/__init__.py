"""JSON:API 1.1, in one place: query parameters come in, documents and error objects go out."""
