"""RDS Proxy lends one server connection to many functions, as long as no statement ties a session to it ("pins" it).

What is read here is what left the process, byte for byte: the driver's and SQLAlchemy's own statements too.
Source: the RDS user guide, "Avoiding pinning an RDS Proxy".
"""

import re
from dataclasses import dataclass, field

import pytest

from maintenance.prune import handler as prune
from tests.access.scene import LEDGERS, Scene
from tests.support.api import Context, Reply, delete, draft, get, patch, post, service
from tests.support.databases import CONSUMER, WRITER, FreshDatabase
from tests.support.queue import consume, disconnected, invalidated, matched, synced
from wellspring.database.wire import Wire

# A longer text pins by its length.
TEXT_BYTES = 16 * 1024

# All that the product has reason to say. What pins is none of it: SET, RESET, DISCARD, PREPARE, EXECUTE, DEALLOCATE,
# DECLARE, LISTEN, LOAD, LOCK, CREATE TEMPORARY and their like.
FIRST_WORDS = frozenset({"SELECT", "WITH", "INSERT", "UPDATE", "BEGIN", "COMMIT", "ROLLBACK", "SHOW"})
# What pins wherever it stands in a statement. The proxy does not see it inside a function of the database.
PINNING = re.compile(
    r"\b(set_config|pg_(try_)?advisory\w+|nextval|setval|currval|lastval|pg_notify|lo_\w+) *\(|\binto +temp\w*",
    re.IGNORECASE,
)

PIPELINE = service("system:read", "sync:write")
MATCHER = service("system:read", "providers:match", client_id="provider-matcher")


@dataclass
class Sent:
    """What the driver sent: the statements, and the names under which it had some kept for later."""

    texts: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def read(self, data: bytes) -> None:
        """Take in what one flush put on the wire: messages, each a letter, a length and a content."""
        while data:
            kind, end = data[:1], 1 + int.from_bytes(data[1:5])
            content, data = data[5:end], data[end:]
            if kind == b"Q":
                self.texts.add(content.rstrip(b"\0").decode())
            elif kind == b"P":
                name, text, _ = content.split(b"\0", 2)
                self.names.add(name.decode())
                self.texts.add(text.decode())


def pinning(text: str) -> str | None:
    """Return what of a statement would pin a session, or None."""
    word = text.split(None, 1)[0].upper()
    if word not in FIRST_WORDS:
        return word
    if found := PINNING.search(text):
        return found.group()
    size = len(text.encode())
    return f"its {size} bytes" if size > TEXT_BYTES else None


@pytest.fixture
def sent(scene_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """All that is sent to Postgres from now on, the making of connections apart."""
    seen, flush = Sent(), Wire.flush

    def note(wire: Wire) -> None:
        seen.read(wire._unsent)
        flush(wire)

    monkeypatch.setattr(Wire, "flush", note)
    return seen


def well(reply: Reply) -> Reply:
    """Return a reply that is none of a failure."""
    assert reply.status < 400, reply.body
    return reply


def read_everything(scene: Scene) -> None:
    """Ask for each kind of object, in each of the ways that make a statement of their own."""
    for resource in LEDGERS:
        path, includes = resource.route, f"include={','.join(resource.includes)}"
        of_parents = "&".join(
            f"filter[{relationship.name}]={scene.workspaces['A'].id}"
            for relationship in resource.to_one
            if relationship.is_filter
        )
        for caller in (scene.people["owner of A"].caller, scene.people["service"].caller):
            for query in (
                "page[size]=1",
                "sort=-updated_at&page[size]=1",
                f"page[total]=true&filter[workspace]={scene.workspaces['A'].id}&{includes}",
                f"filter[deleted]=only&filter[created_at][gte]=2020-01-01T00:00:00Z&{of_parents}",
            ):
                following = well(get(f"{path}?{query}", caller)).document["links"]["next"]
                if following is not None:
                    previous = well(get(following, caller)).document["links"]["prev"]
                    well(get(previous, caller))
            well(get(f"{path}/{scene.row(resource.type, 'A').id}?{includes}", caller))
    keeper = scene.people["owner of G"].caller
    well(get("/v1/workspace-groups?include=created_by,workspaces,memberships", keeper))
    well(get(f"/v1/workspace-groups/{scene.groups['G'].id}", keeper))
    well(get(f"/v1/workspaces/{scene.workspaces['A'].id}/providers", keeper))
    well(get("/health"))


def write_everything(scene: Scene) -> None:
    """Make, change and remove each kind of object, over HTTP."""
    owner, ours = scene.people["owner of A"].caller, scene.workspaces["A"]
    for type_, records in scene.records.items():
        body = draft(
            f"{type_}_workspace_connector",
            {"direction": "output"},
            **{type_: records["A"], "workspace_connector": scene.connectors["A"]},
        )
        path = f"/v1/{type_}-workspace-connectors"
        made = well(post(path, PIPELINE, body, idempotency_key=f"once-{type_}"))
        assert well(post(path, PIPELINE, body, idempotency_key=f"once-{type_}")).data["id"] == made.data["id"]
        url = f"{path}/{made.data['id']}"
        for at in (made.data["attributes"]["created_at"], None):
            well(patch(url, PIPELINE, draft(f"{type_}_workspace_connector", {"deleted_at": at}, made.data["id"])))
        well(delete(url, PIPELINE))
    choice = draft("workspace_provider", workspace=ours, provider=scene.provider)
    url = f"/v1/workspace-providers/{well(post('/v1/workspace-providers', MATCHER, choice)).data['id']}"
    well(patch(url, owner, draft("workspace_provider", {"is_selected": True}, url.rpartition("/")[2])))
    well(delete(url, owner))
    path = f"/v1/workspaces/{ours.id}/providers"
    well(post(path, owner, draft("workspace_provider", provider=scene.provider)))
    well(delete(f"{path}/{scene.provider.id}", owner))
    group = well(post("/v1/workspace-groups", owner, draft("workspace_group", {"name": "New"}))).data["id"]
    path = f"/v1/workspace-groups/{group}/workspaces"
    well(post(path, owner, draft("workspace_group_workspace", workspace=ours)))
    well(delete(f"{path}/{ours.id}", owner))
    named = draft("workspace_group", {"name": "Another"})
    named["data"]["relationships"] = {"workspaces": {"data": [{"type": "workspace", "id": str(ours.id)}]}}
    well(post("/v1/workspace-groups", owner, named))


def consume_everything(scene: Scene) -> None:
    """Make, change and remove what the queue does."""
    ours = scene.workspaces["A"]
    every = [records["A"] for records in scene.records.values()]
    for mode in (None, "relink"):
        assert consume(synced(scene.connectors["A"], every, mode=mode)) == []
    # Together they are the longest statement there is.
    mixed = [
        synced(scene.connectors["A"], every),
        invalidated(scene.connectors["A"], every),
        matched(ours, [scene.provider]),
    ]
    assert consume(*mixed) == []
    assert consume(disconnected(scene.connectors["A"])) == []


def test_no_statement_of_the_product_pins(scene_database: FreshDatabase, fresh_scene: Scene, sent: Sent) -> None:
    read_everything(fresh_scene)
    write_everything(fresh_scene)
    scene_database.role = CONSUMER
    consume_everything(fresh_scene)
    scene_database.role = WRITER
    assert prune({}, Context())["is_all"] is True
    assert len(sent.texts) > 100
    assert {text[:300]: why for text in sent.texts if (why := pinning(text))} == {}
    # A statement that is kept under a name is kept in the session.
    assert sent.names == {""}


@pytest.mark.parametrize("size", [20, 55, 500])
def test_polling_with_many_rows_pins_nothing(
    scene_database: FreshDatabase, fresh_scene: Scene, sent: Sent, size: int
) -> None:
    """What docs/polling.md recommends, on all its pages and back."""
    world, ours = fresh_scene.world, fresh_scene.connectors["A"]
    rows = [world.provenance(fresh_scene.records["company"]["A"], ours) for _ in range(size + 5)]
    world.tombstone(rows[0])
    world.database.commit()
    since = "sort=updated_at&filter[updated_at][gte]=2020-01-01T00:00:00Z&filter[deleted]=include"
    for caller in (fresh_scene.people["owner of A"].caller, fresh_scene.people["service"].caller):
        for narrowed in ("", f"&filter[workspace]={fresh_scene.workspaces['A'].id}"):
            page = well(get(f"/v1/company-workspace-connectors?{since}&page[size]={size}{narrowed}", caller))
            following = well(get(page.document["links"]["next"], caller))
            assert well(get(following.document["links"]["prev"], caller)).ids == page.ids
    assert any("updated_at" in text for text in sent.texts)
    assert {text[:300]: why for text in sent.texts if (why := pinning(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "SET statement_timeout = '1s'",
        "SET LOCAL wellspring.scope = 'service'",
        "SELECT set_config('wellspring.scope', 'service', true)",
        "SELECT pg_catalog.set_config($1, $2, true)",
        "PREPARE page AS SELECT 1",
        "SELECT pg_advisory_xact_lock(1)",
        "SELECT pg_try_advisory_lock(1)",
        "CREATE TEMPORARY TABLE page (pk bigint)",
        "SELECT pk INTO TEMP page FROM core_api.workspaces",
        "DECLARE page CURSOR FOR SELECT 1",
        "select nextval('numbers')",
        "LISTEN workspaces",
        "DISCARD ALL",
        f"SELECT '{'x' * TEXT_BYTES}'",
    ],
)
def test_what_pins_is_known_when_it_is_seen(text: str) -> None:
    assert pinning(text) is not None


def test_what_is_sent_is_seen(sent: Sent, scene_database: FreshDatabase) -> None:
    with scene_database.engine(WRITER).connect() as session:
        session.exec_driver_sql("SET LOCAL jit = off")
        session.exec_driver_sql("SELECT set_config(%s, '', true)", ("wellspring.scope",))
    assert sorted(filter(None, map(pinning, sent.texts))) == ["SET", "set_config("]
