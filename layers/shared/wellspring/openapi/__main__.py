"""`python -m wellspring.openapi` writes the document where people read it and where the layer serves it."""

from wellspring.openapi.files import written

for path, text in written().items():
    path.write_text(text)
