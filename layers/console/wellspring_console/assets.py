"""The files of the page, each under a name that holds a hash of its content, so that caches may keep it for ever.

A module names the modules that it imports; here they become the hashed names, those first that import nothing. So a
file's name changes when it does, or when anything does that it imports.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
STATIC, VENDOR = HERE / "static", HERE / "vendor"
MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
# `import … from "./api.js"`, `from"preact"`, `import "./x.js"`: what stands between the quotation marks.
IMPORTED = re.compile(r"""((?:\bfrom|\bimport)\s*)(["'])([\w./-]+)\2""")
# How vendored modules name each other, and the files that they are.
PACKAGES = {"preact": "preact.js", "preact/hooks": "hooks.js", "htm": "htm.js"}
HASH_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served; its name has its hash, as `/console/{file}` takes it."""

    name: str
    media_type: str
    content: bytes


def imports(text: str) -> Iterator[str]:
    """Yield the names of the files that the module `text` imports."""
    for match in IMPORTED.finditer(text):
        yield _file(match[3])


def _file(specifier: str) -> str:
    return PACKAGES.get(specifier, specifier.removeprefix("./"))


@cache
def assets() -> Mapping[str, Asset]:
    """Return every file of the page by its plain name, those that others import first; made once.

    Raises `KeyError` where a module imports what is not there, `RecursionError` where two import each other.
    """
    found = (path for folder in (VENDOR, STATIC) for path in sorted(folder.iterdir()) if path.suffix in MEDIA_TYPES)
    sources = {path.name: path for path in found}
    made: dict[str, Asset] = {}

    def make(name: str) -> Asset:
        if name not in made:
            content = sources[name].read_bytes()
            if name.endswith(".js"):
                text = content.decode()
                content = IMPORTED.sub(lambda found: f'{found[1]}"./{make(_file(found[3])).name}"', text).encode()
            stem, _, suffix = name.rpartition(".")
            tag = hashlib.sha256(content).hexdigest()[:HASH_LENGTH]
            made[name] = Asset(f"{stem}.{tag}.{suffix}", MEDIA_TYPES[f".{suffix}"], content)
        return made[name]

    for name in sources:
        make(name)
    return made


@cache
def by_served_name() -> Mapping[str, Asset]:
    """Return every file by the name that holds its hash."""
    return {asset.name: asset for asset in assets().values()}
