"""`python -m local.openapi` writes the document where people read it and where the layer serves it."""

from local.openapi.files import written

for path, text in written().items():
    path.write_text(text)
