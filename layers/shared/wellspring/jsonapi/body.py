"""Request documents: from a body to a `Draft`, every problem found before one is reported.

A body that is no JSON:API document is 400, one whose values do not validate 422, a field that a client may not say 403,
a type or id other than the URL's 409 (contract, section 4; JSON:API 1.1, "Creating" and "Updating Resources").
Members that are neither attributes nor relationships of the resource object, and not known, are ignored: a MUST.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from wellspring import strict_json
from wellspring.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    ImmutableAttribute,
    InvalidJson,
    PayloadTooLarge,
    SchemaValidationError,
    SystemAttribute,
    WellspringError,
    raise_all,
)
from wellspring.ids import parse_id
from wellspring.jsonapi.values import is_printable, is_text, parse_instant
from wellspring.queries import Draft, Reference
from wellspring.resources import DIRECTIONS, Attribute, Relationship, Resource
from wellspring.times import in_utc

MAX_BODY_BYTES = 1024 * 1024
# A name, which is the only text that a client writes (contract, section 2).
MAX_TEXT = 500
MAX_LINKAGES = 500
# Each that nobody knows is an error object of its own, and Lambda carries no answer of more than 6 MB.
MAX_FIELDS = 100

type Value = str | bool | datetime | None
type Action = Literal["create", "update"]


def parse_create(
    resource: Resource,
    body: bytes,
    *,
    problems: Sequence[WellspringError] = (),
    within: Mapping[str, str] | None = None,
) -> Draft:
    """Return what a document wants to be created in the collection of a type.

    `problems` are those of the rest of the request; `within` relationships that the path has settled, with the ids as
    they stand there. Raises `BadRequest` without a resource object to look at any further, and `PayloadTooLarge`.
    """
    reader = _Reader(resource, "create", problems, within or {})
    data = reader.resource_object(body)
    if "id" in data:
        reader.refuse(Forbidden, "The server makes the ids.", "/data/id")
    return reader.draft(data)


def parse_update(resource: Resource, body: bytes, id_: str, *, problems: Sequence[WellspringError] = ()) -> Draft:
    """Return what a document wants to be changed, as `parse_create`; `id_` is that of the path, as it stands there."""
    reader = _Reader(resource, "update", problems, {})
    data = reader.resource_object(body)
    named = data.get("id")
    if not isinstance(named, str):
        reader.refuse(BadRequest, "The resource object has no id.", "/data" if named is None else "/data/id")
    elif named.lower() != id_.lower():
        reader.refuse(Conflict, "The id is not the one of the path.", "/data/id")
    return reader.draft(data)


@dataclass(frozen=True, slots=True)
class MetaMember:
    """A member of a request's `meta`, by which an operation is told what no resource object can say.

    A text has so many characters at the most, or is one of its choices, if it has any.
    """

    name: str
    kind: Literal["text", "boolean"]
    required: bool = True
    longest: int = MAX_TEXT
    choices: tuple[str, ...] = ()

    def check(self, value: Any) -> str:
        """Return what its value must be, in words; empty where it is that."""
        if self.kind == "boolean":
            return "" if isinstance(value, bool) else "true or false"
        if self.choices:
            return "" if value in self.choices else f"one of: {', '.join(self.choices)}"
        is_good = _is_shown_text(value, self.longest)
        return "" if is_good else f"a text of 1 to {self.longest} characters, not all blank"


def parse_meta(
    body: bytes, members: Sequence[MetaMember], *, problems: Sequence[WellspringError] = ()
) -> Mapping[str, str | bool]:
    """Return what a document without primary data says in its `meta`; other members are ignored.

    The body may be empty where no member is required. `problems` are those of the rest of the request. Raises
    `BadRequest`, `PayloadTooLarge`, `SchemaValidationError` of a value, or `Problems` of several.
    """
    found = list(problems)
    values: dict[str, str | bool] = {}
    required = any(member.required for member in members)
    try:
        meta = _object(body, "meta", required=required) if required or body.strip() else {}
    except WellspringError as error:
        raise_all([*found, error])
        raise
    for member in members:
        if member.name not in meta:
            if member.required:
                found.append(SchemaValidationError(f"The member {member.name} is missing.", pointer="/meta"))
        elif form := member.check(meta[member.name]):
            found.append(SchemaValidationError(f"The value must be {form}.", pointer=f"/meta/{member.name}"))
        else:
            values[member.name] = meta[member.name]
    raise_all(found)
    return values


def _is_shown_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= longest and is_text(value)


class _Reader:
    """Reads one document and collects what is wrong with it."""

    def __init__(
        self, resource: Resource, action: Action, problems: Sequence[WellspringError], within: Mapping[str, str]
    ) -> None:
        self.resource = resource
        self.action = action
        self.within = within
        self.problems = list(problems)
        self.values: dict[str, Value] = {}
        self.references: list[Reference] = []

    def refuse(self, problem: type[WellspringError], detail: str, pointer: str) -> None:
        self.problems.append(problem(detail, pointer=pointer))

    def resource_object(self, body: bytes) -> Mapping[str, Any]:
        """Return the document's primary data, its type checked. Raises all problems where there is none."""
        try:
            data = _object(body, "data")
        except WellspringError as error:
            raise_all([*self.problems, error])
            raise
        type_ = data.get("type")
        if not isinstance(type_, str):
            self.refuse(BadRequest, "The resource object has no type.", "/data" if type_ is None else "/data/type")
        elif type_ != self.resource.type:
            self.refuse(Conflict, f"The type must be {self.resource.type}.", "/data/type")
        return data

    def draft(self, data: Mapping[str, Any]) -> Draft:
        """Return what the resource object says, and all that is wrong with it."""
        self._fields(data, "attribute", self.resource.attributes)
        self._fields(data, "relationship", self.resource.relationships)
        for each in self.resource.relationships:
            if each.name in self.within:
                self.references.append(Reference(each.name, each.target, parse_id(self.within[each.name])))
        return Draft(self.values, tuple(self.references), tuple(self.problems))

    def _members(self, data: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
        """Return the object `name` of the resource object: empty where it is absent, None where it cannot be read.

        Members that begin with @ are neither attributes nor relationships ("@-Members", a MUST).
        """
        members = data.get(name, {})
        if not isinstance(members, dict):
            self.refuse(BadRequest, f"The {name} must be an object.", f"/data/{name}")
            return None
        fields = {member: value for member, value in members.items() if not member.startswith("@")}
        if len(fields) > MAX_FIELDS:
            self.refuse(SchemaValidationError, f"There are more than {MAX_FIELDS} {name}.", f"/data/{name}")
            return None
        return fields

    def _fields(self, data: Mapping[str, Any], kind: str, declared: Sequence[Attribute | Relationship]) -> None:
        """Read the attributes or the relationships of the resource object."""
        members = self._members(data, f"{kind}s")
        if members is None:
            return
        known = {each.name: each for each in declared}
        for name, value in members.items():
            field, pointer = known.get(name), f"/data/{kind}s/{_token(name)}"
            if field is None:
                self.refuse(SchemaValidationError, f"There is no such {kind}.", pointer)
            elif field.written in {self.action, "always"}:
                if isinstance(field, Attribute):
                    self._attribute(field, value, pointer)
                else:
                    self._relationship(field, value, pointer, self.within.get(name))
            elif field.written == "create":
                self.refuse(ImmutableAttribute, f"The {name} is never changed.", pointer)
            else:
                self.refuse(SystemAttribute, f"The system sets {name}.", pointer)
        needed = (each.name for each in declared if each.required and each.written != "never")
        for name in needed if self.action == "create" else ():
            if name not in members and name not in self.within:
                pointer = f"/data/{kind}s" if members else "/data"
                self.refuse(SchemaValidationError, f"The {kind} {name} is missing.", pointer)

    def _attribute(self, attribute: Attribute, value: Any, pointer: str) -> None:
        try:
            self.values[attribute.name] = _value(attribute, value)
        except ValueError as error:
            self.refuse(SchemaValidationError, f"The value must be {error}.", pointer)

    def _relationship(self, relationship: Relationship, value: Any, pointer: str, settled: str | None) -> None:
        """Read the linkage of one relationship; `settled` is the id that the path has for it."""
        if not isinstance(value, dict) or "data" not in value:
            self.refuse(BadRequest, "A relationship must be an object with data.", pointer)
            return
        linkage, pointer = value["data"], f"{pointer}/data"
        if not relationship.many:
            if linkage is None:
                self.refuse(SchemaValidationError, "The relationship cannot be empty.", pointer)
            else:
                self._identifier(relationship, linkage, pointer, settled)
        elif not isinstance(linkage, list):
            self.refuse(BadRequest, "The linkage of a to-many relationship is an array.", pointer)
        elif len(linkage) > MAX_LINKAGES:
            self.refuse(SchemaValidationError, f"There are more than {MAX_LINKAGES} linkages.", pointer)
        else:
            for number, identifier in enumerate(linkage):
                self._identifier(relationship, identifier, f"{pointer}/{number}", None)

    def _identifier(self, relationship: Relationship, value: Any, pointer: str, settled: str | None) -> None:
        target = relationship.target
        if not (isinstance(value, dict) and isinstance(value.get("type"), str) and isinstance(value.get("id"), str)):
            self.refuse(BadRequest, "A resource identifier object has a type and an id, both strings.", pointer)
        elif value["type"] != target:
            self.refuse(SchemaValidationError, f"The type must be {target}.", f"{pointer}/type")
        elif settled is None:
            self.references.append(Reference(relationship.name, target, parse_id(value["id"]), f"{pointer}/id"))
        elif value["id"].lower() != settled.lower():
            self.refuse(Conflict, "The id is not the one of the path.", f"{pointer}/id")


def _token(name: str) -> str:
    """Return a member's name as a step of a JSON Pointer (RFC 6901, section 3), fit to be written as UTF-8."""
    return name.encode(errors="replace").decode().replace("~", "~0").replace("/", "~1")


def _value(attribute: Attribute, value: Any) -> Value:
    """Return the value of an attribute. Raises `ValueError`, which says what it must be."""
    choices = DIRECTIONS if attribute.kind == "direction" else attribute.choices
    if attribute.kind == "instant":
        instant = parse_instant(value) if isinstance(value, str) else None
        if value is not None and instant is None:
            raise ValueError("a time in ISO 8601 with an offset, or null")
        return instant and in_utc(instant)
    if attribute.kind == "boolean":
        is_good, form = isinstance(value, bool), "true or false"
    elif choices:
        is_good, form = value in choices, " or ".join(choices)
    else:
        is_good = _is_shown_text(value, MAX_TEXT) and is_printable(value)
        form = f"a text of 1 to {MAX_TEXT} characters that are not all blank, none of them a control character"
    if not is_good:
        raise ValueError(form)
    result: str | bool = value
    return result


def _object(body: bytes, member: Literal["data", "meta"], *, required: bool = True) -> Mapping[str, Any]:
    """Return an object that is a member of the document; empty where it is absent and not required."""
    if not body.strip():
        raise BadRequest("The request has no document.", pointer="")
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge(f"A document has at most {MAX_BODY_BYTES} bytes.")
    try:
        document = strict_json.loads(body)
    except ValueError as error:
        # Its own message may repeat what was sent.
        raise InvalidJson("The body is not a JSON text in UTF-8 with each member of an object named once.") from error
    is_there = isinstance(document, dict) and member in document
    found = document[member] if is_there else None if required or not isinstance(document, dict) else {}
    if isinstance(found, dict):
        return found
    what = "a resource object as its data" if member == "data" else "an object as its meta"
    raise BadRequest(f"The document must have {what}.", pointer=f"/{member}" if is_there else "")
