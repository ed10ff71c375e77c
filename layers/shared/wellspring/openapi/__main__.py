"""`python -m wellspring.openapi` prints the document, as docs/openapi.json holds it."""

import json
import sys

from wellspring.openapi.document import document

sys.stdout.write(json.dumps(document(), indent=2, ensure_ascii=False) + "\n")
