"""A program of a user of the generated Python client; checked by mypy under its strict settings, run against the stack.

It is no module of the tests: it runs where the generated package `ledger` is, with the cast as JSON in its argument.
"""

import json
import sys
from datetime import UTC, datetime

from ledger import AuthenticatedClient
from ledger.api.provenance_of_companies import (
    create_company_workspace_connector,
    list_company_workspace_connectors,
    retrieve_company_workspace_connector,
    update_company_workspace_connector,
)
from ledger.models import (
    ChangedResource,
    Company,
    CompanyWorkspaceConnectorCollection,
    CreateRequest,
    Direction,
    ErrorDocument,
    GatewayError,
    Identifier,
    Linkage,
    NewResource,
    ProvenanceDocument,
    Relationships,
    UpdateRequest,
    WrittenAttributes,
)
from ledger.types import UNSET, Unset

CAST = json.loads(sys.argv[1])


def client_of(token: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=CAST["url"], token=token)


def to_one(type_: str, id_: str) -> Linkage:
    return Linkage(data=Identifier(type_=type_, id=id_))


def walk(client: AuthenticatedClient) -> dict[str, list[str]]:
    ids: list[str] = []
    names: set[str] = set()
    after: str | Unset = UNSET
    while True:
        page = list_company_workspace_connectors.sync(
            client=client,
            page_size=50,
            page_after=after,
            include=["company", "workspace_connector.connector"],
            fields_company=["name", "created_at"],
            filter_created_at_gte=datetime(2020, 1, 1, tzinfo=UTC),
        )
        assert isinstance(page, CompanyWorkspaceConnectorCollection), page
        ids += [str(row.id) for row in page.data]
        for one in page.included or []:
            if isinstance(one, Company) and one.attributes and isinstance(one.attributes.name, str):
                names.add(one.attributes.name)
        if page.links.next_ is None:
            return {"ids": ids, "names": sorted(names)}
        last = page.data[-1].meta
        assert last
        after = last.page.cursor


def write(client: AuthenticatedClient) -> dict[str, object]:
    made = create_company_workspace_connector.sync_detailed(
        client=client,
        body=CreateRequest(
            data=NewResource(
                type_="company_workspace_connector",
                attributes=WrittenAttributes(direction=Direction.INPUT),
                relationships=Relationships(
                    company=to_one("company", CAST["company"]),
                    workspace_connector=to_one("workspace_connector", CAST["connector"]),
                ),
            )
        ),
    )
    assert isinstance(made.parsed, ProvenanceDocument), made
    row = made.parsed.data
    assert row.attributes
    read = retrieve_company_workspace_connector.sync_detailed(id=row.id, client=client)
    change = UpdateRequest(
        data=ChangedResource(
            type_="company_workspace_connector", id=row.id, attributes=WrittenAttributes(deleted_at=datetime.now(UTC))
        )
    )
    first, stale = (
        update_company_workspace_connector.sync_detailed(
            id=row.id, client=client, body=change, if_match=read.headers["etag"]
        )
        for _ in range(2)
    )
    assert isinstance(stale.parsed, ErrorDocument), stale
    return {
        "status": made.status_code,
        "direction": row.attributes.direction or None,
        "first": first.status_code,
        "stale": stale.status_code,
        "code": stale.parsed.errors[0].code,
    }


def stranger() -> dict[str, object]:
    answer = list_company_workspace_connectors.sync_detailed(client=client_of("no token"))
    assert isinstance(answer.parsed, GatewayError), answer
    return {"status": answer.status_code, "message": answer.parsed.message}


def main() -> None:
    owner, pipeline = (client_of(CAST["tokens"][name]) for name in ("owner", "pipeline"))
    told = {"walk": walk(owner), "write": write(pipeline), "stranger": stranger()}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
