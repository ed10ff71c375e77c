"""Content negotiation (JSON:API 1.1, "Content Negotiation"; RFC 9110, sections 8.3 and 12.5.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from wellspring.errors import NotAcceptable, UnsupportedMediaType
from wellspring.jsonapi.values import CURSOR_PAGINATION, MEDIA_TYPE

# Possessive, and a string that nobody closes reaches to the end: each is done in one pass over any header.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_STRING = r'"(?:[^"\\]|\\.)*+"'
_ELEMENT = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))++', re.DOTALL)
_RANGE = re.compile(rf"\s*+({_NAME}/{_NAME})\s*+")
_PARAMETER = re.compile(rf";\s*+(?:({_NAME})=({_NAME}|{_STRING}))?\s*+", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# More specific ranges win over less specific ones.
_RANGES = (MEDIA_TYPE, "application/*", "*/*")


@dataclass(frozen=True, slots=True)
class _MediaRange:
    """One element of `Accept`, or the value of `Content-Type`; its name is in lower case, its weight from 0 to 1."""

    name: str
    parameters: Mapping[str, str]
    weight: float

    @property
    def is_plain(self) -> bool:
        """Whether no parameter but `ext` and `profile` modifies it."""
        return self.parameters.keys() <= {"ext", "profile"}

    @property
    def is_supported(self) -> bool:
        """Whether this API, which has no extension, can speak it."""
        return self.is_plain and not self.parameters.get("ext", "").split()


def _media_range(text: str) -> _MediaRange | None:
    found = _RANGE.match(text)
    if not found:
        return None
    parameters: dict[str, str] = {}
    place = found.end()
    while place < len(text):
        parameter = _PARAMETER.match(text, place)
        if not parameter:
            return None
        name, value = parameter.groups()
        if name:
            parameters[name.lower()] = _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
        place = parameter.end()
    try:
        weight = float(parameters.pop("q", "1"))
    except ValueError:
        return None
    return _MediaRange(found[1].lower(), parameters, weight)


# A client sends the same header with each request.
@lru_cache(maxsize=64)
def wants_cursor_profile(accept: str | None) -> bool:
    """Say whether an acceptable answer may name the cursor-pagination profile, as the client asked.

    Several headers are joined by commas. Raises `NotAcceptable` where nothing matches JSON:API without extensions.
    """
    if accept is None or not accept.strip():
        return False
    ranges = [found for found in map(_media_range, _ELEMENT.findall(accept)) if found]
    for name in _RANGES:
        named = [found for found in ranges if found.name == name]
        # Wildcards do not help a client that names JSON:API only in forms that are not spoken here: a MUST.
        usable = [found for found in named if found.is_supported] if name == MEDIA_TYPE else named
        if named:
            best = max((found.weight for found in usable), default=0)
            if best > 0:
                asked = (found.parameters.get("profile", "").split() for found in usable if found.weight == best)
                return any(CURSOR_PAGINATION in profiles for profiles in asked)
            break
    raise NotAcceptable(
        f"Answers are {MEDIA_TYPE}, without extensions and without parameters other than profile.", header="Accept"
    )


def check_content_type(content_type: str | None, *, required: bool) -> None:
    """Check what the client says its body is; it is `required` to be JSON:API where it will be read.

    Raises `UnsupportedMediaType`, also for JSON:API with an extension or a foreign parameter.
    """
    media, detail = _media_range(content_type or ""), ""
    if media is None or media.name != MEDIA_TYPE:
        detail = f"A body must be {MEDIA_TYPE}." if required else ""
    elif not media.is_plain:
        detail = f"{MEDIA_TYPE} takes no parameters but ext and profile."
    elif not media.is_supported:
        detail = "No extension of JSON:API is supported."
    if detail:
        raise UnsupportedMediaType(detail, header="Content-Type")
