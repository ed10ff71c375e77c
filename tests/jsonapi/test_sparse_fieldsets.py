"""JSON:API 1.1, "Sparse Fieldsets"; contract, section 4: for every type, related ones too."""

from uuid import uuid4

import pytest

from tests.jsonapi.conftest import (
    LISTS,
    ROUTES,
    Tenant,
    included,
    list_url,
    of_every_list,
    of_every_type,
    refusal,
    types_on,
)
from tests.support.api import READER, get
from wellspring.resources import resource_of, resources


@of_every_type
def test_one_field_is_all_that_is_shown(ours: Tenant, type_: str) -> None:
    resource = resource_of(type_)
    whole = get(f"{ours.url(type_)}?fields[{type_}]={','.join(resource.fields)}", ours.caller).data
    for field in resource.fields:
        kind = "attributes" if resource.attribute(field) else "relationships"
        expected = {"type": type_, "id": whole["id"], kind: {field: whole[kind][field]}, "links": whole["links"]}
        assert get(f"{ours.url(type_)}?fields[{type_}]={field}", ours.caller).data == expected
        (listed,) = get(f"{resource.route}?fields[{type_}]={field}", ours.caller).data
        assert listed.pop("meta").keys() == {"page"}
        assert listed == expected


@of_every_list
def test_no_field_leaves_what_a_resource_object_must_have(ours: Tenant, name: str) -> None:
    type_ = LISTS[name].type
    reply = get(f"{list_url(name, ours)}?include=&fields[{type_}]=", ours.caller)
    assert reply.data[0].keys() == {"type", "id", "links", "meta"}
    assert get(f"{ours.url(type_)}?fields[{type_}]=", ours.caller).data.keys() == {"type", "id", "links"}


@of_every_type
def test_all_fields_are_what_no_parameter_gives(ours: Tenant, type_: str) -> None:
    many = {relationship.name for relationship in resource_of(type_).relationships if relationship.many}
    query = f"fields[{type_}]={','.join(name for name in reversed(resource_of(type_).fields) if name not in many)}"
    expected = get(ours.url(type_), ours.caller).data
    for name in many:
        # To name one is to ask for its linkage; without that there is its link.
        assert "data" not in expected["relationships"].pop(name, {})
    assert get(f"{ours.url(type_)}?{query}", ours.caller).data == expected


@of_every_type
def test_every_included_type_shows_the_fields_it_is_asked_for(ours: Tenant, type_: str) -> None:
    resource = resource_of(type_)
    query = f"include={','.join(resource.includes)}"
    for target in types_on(resource, *resource.includes):
        for field in resource_of(target).fields:
            reply = get(f"{ours.url(type_)}?{query}&fields[{target}]={field}", ours.caller)
            for item in reply.document["included"]:
                shown = [*item.get("attributes", {}), *item.get("relationships", {})]
                # What services are shown of one by its id is in no other answer.
                attribute = resource_of(target).attribute(field)
                expected = [] if attribute and attribute.service_only else [field]
                assert item["type"] != target or shown == expected
            assert reply.data["attributes"].keys() == {attribute.name for attribute in resource.attributes}


def test_what_is_included_stays_included_where_its_linkage_is_not_shown(ours: Tenant) -> None:
    query = "include=company.workspace&fields[company_workspace_connector]=direction&fields[company]=name"
    for url in ("/v1/company-workspace-connectors", ours.url("company_workspace_connector")):
        reply = get(f"{url}?{query}", ours.caller)
        assert {type_ for type_, _ in included(reply)} == {"company", "workspace"}
        assert "relationships" not in reply.document["included"][0]


def test_a_fieldset_of_a_type_that_is_not_there_changes_nothing(ours: Tenant) -> None:
    url = ours.url("company_workspace_connector")
    assert get(f"{url}?fields[provider]=name", ours.caller).data == get(url, ours.caller).data


@pytest.mark.parametrize("value", ["nothing", "pk", "id", "type", "created_at,", " created_at", "CREATED_AT", "%00"])
def test_a_field_that_the_type_does_not_have_is_400(value: str) -> None:
    for resource in resources():
        for url in (*ROUTES, f"/v1/company-workspace-connectors/{uuid4()}"):
            told = refusal(get(f"{url}?fields[{resource.type}]={value}", READER))
            assert told == (400, "INVALID_QUERY_PARAMETER", {"parameter": f"fields[{resource.type}]"})


@pytest.mark.parametrize(
    "name", ["fields", "fields[]", "fields[nothing]", "fields[companies]", "fields[company][name]", "field[company]"]
)
def test_a_type_that_is_none_is_400(name: str) -> None:
    for url in (*ROUTES, f"/v1/company-workspace-connectors/{uuid4()}"):
        reply = get(f"{url}?{name}=name", READER)
        assert (reply.status, reply.error["source"]) == (400, {"parameter": name})
