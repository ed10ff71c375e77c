"""fastapi-jsonapi, under uvicorn, on SQLAlchemy's asyncio ORM and asyncpg."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi_jsonapi import ApplicationBuilder
from fastapi_jsonapi.data_layers.sqla.orm import SqlalchemyDataLayer
from fastapi_jsonapi.exceptions import BadRequest
from fastapi_jsonapi.misc.sqla.generics.base import ViewBaseGeneric
from fastapi_jsonapi.schema_base import BaseModel
from fastapi_jsonapi.types_metadata import RelationshipInfo
from fastapi_jsonapi.views import Operation, OperationConfig, ViewBase
from pydantic import ConfigDict
from sqlalchemy import Enum, FetchedValue, ForeignKey, Identity, Select, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from bench.rivals.tokens import Caller, caller_of

# Five connections for each process, which stay open.
engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=5, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)


# ---- the tables, as the project's migrations make them ------------------------------------------------
class Base(DeclarativeBase):
    """What every table has."""

    type_annotation_map: ClassVar = {datetime: TIMESTAMP(timezone=True)}

    pk: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime | None] = mapped_column(server_default=FetchedValue())
    deleted_at: Mapped[datetime | None]


class Workspace(Base):
    """A tenant."""

    __tablename__ = "workspaces"
    __table_args__ = {"schema": "core_api"}


class People(Base):
    """A person."""

    __tablename__ = "peoples"
    __table_args__ = {"schema": "core_api"}


class WorkspaceMembership(Base):
    """A person in a workspace."""

    __tablename__ = "workspace_memberships"
    __table_args__ = {"schema": "core_api"}

    people_pk: Mapped[int] = mapped_column(ForeignKey(People.pk))
    workspace_pk: Mapped[int] = mapped_column(ForeignKey(Workspace.pk))
    status: Mapped[str]


class Company(Base):
    """A record."""

    __tablename__ = "companies"
    __table_args__ = {"schema": "core_api"}

    name: Mapped[str]
    workspace_pk: Mapped[int] = mapped_column(ForeignKey(Workspace.pk))


class WorkspaceConnector(Base):
    """A connector of a workspace."""

    __tablename__ = "workspace_connectors"
    __table_args__ = {"schema": "core_api"}

    status: Mapped[str]
    workspace_pk: Mapped[int] = mapped_column(ForeignKey(Workspace.pk))


class CompanyWorkspaceConnector(Base):
    """Which connector brought a record in, or carried it out."""

    __tablename__ = "company_workspace_connectors"
    __table_args__ = {"schema": "core_api"}

    company_pk: Mapped[int] = mapped_column(ForeignKey(Company.pk))
    workspace_connector_pk: Mapped[int] = mapped_column(ForeignKey(WorkspaceConnector.pk))
    direction: Mapped[str] = mapped_column(Enum("input", "output", name="direction_enum", schema="core_api"))
    company: Mapped[Company] = relationship()
    workspace_connector: Mapped[WorkspaceConnector] = relationship()


# ---- the documents ------------------------------------------------------------------------------------
class Times(BaseModel):
    """What every resource shows."""

    model_config = ConfigDict(from_attributes=True)

    created_at: datetime
    updated_at: datetime | None
    deleted_at: datetime | None


class CompanySchema(Times):
    """A company."""

    name: str


class WorkspaceConnectorSchema(Times):
    """A workspace's connector."""

    status: str


class Related(BaseModel):
    """What a row of provenance is between."""

    model_config = ConfigDict(from_attributes=True)

    company: Annotated[CompanySchema | None, RelationshipInfo(resource_type="company")] = None
    workspace_connector: Annotated[
        WorkspaceConnectorSchema | None, RelationshipInfo(resource_type="workspace_connector")
    ] = None


class CompanyWorkspaceConnectorSchema(Times, Related):
    """A row of provenance."""

    direction: Literal["input", "output"]


class CompanyWorkspaceConnectorInSchema(Related):
    """What a client says of a new one."""

    direction: Literal["input", "output"]


# ---- who may do what, as far as the bench asks for it -------------------------------------------------
def authenticated(authorization: Annotated[str, Header()] = "") -> Caller:
    """Return who asks."""
    caller = caller_of(authorization)
    if caller is None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return caller


def writing(caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
    """Return the service that asks."""
    if "sync:write" not in caller.scopes:
        raise HTTPException(403)
    return caller


async def session() -> AsyncIterator[AsyncSession]:
    """Give the request's session."""
    async with sessions() as opened:
        yield opened


def visible(caller: Caller) -> Select[CompanyWorkspaceConnector]:
    """Return rows whose two parents are live, and of workspaces that the caller is a member of; the newest first."""
    row = CompanyWorkspaceConnector
    mine = (
        select(WorkspaceMembership.workspace_pk)
        .join(People, People.pk == WorkspaceMembership.people_pk)
        .join(Workspace, Workspace.pk == WorkspaceMembership.workspace_pk)
        .where(
            People.id == UUID(caller.sub),
            People.deleted_at.is_(None),
            Workspace.deleted_at.is_(None),
            WorkspaceMembership.status == "active",
            WorkspaceMembership.deleted_at.is_(None),
        )
    )
    return (
        select(row)
        .join(Company, Company.pk == row.company_pk)
        .join(WorkspaceConnector, WorkspaceConnector.pk == row.workspace_connector_pk)
        .where(row.deleted_at.is_(None), Company.deleted_at.is_(None), WorkspaceConnector.deleted_at.is_(None))
        .where(Company.workspace_pk.in_(mine), WorkspaceConnector.workspace_pk.in_(mine))
        .order_by(row.created_at.desc(), row.pk.desc())
    )


class Reading(BaseModel):
    """What a read depends on."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    session: AsyncSession = Depends(session)
    caller: Caller = Depends(authenticated)


class Writing(BaseModel):
    """What a write depends on."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    session: AsyncSession = Depends(session)
    caller: Caller = Depends(writing)


def reading_options(_view: ViewBase, given: Reading) -> dict[str, Any]:
    """Return what the data layer of a read is made with: no count of all rows, for a start."""
    return {"session": given.session, "query": visible(given.caller), "disable_collection_count": True}


def writing_options(_view: ViewBase, given: Writing) -> dict[str, Any]:
    """Return what the data layer of a write is made with."""
    return {"session": given.session}


class Provenance(SqlalchemyDataLayer):
    """The data layer, with the rule that record and connector are live and of one workspace."""

    async def apply_relationships(self, *args: Any, **kwargs: Any) -> Any:
        """Return the parents, as the framework does. Raises `BadRequest` where they may not meet."""
        to_one, to_many = await super().apply_relationships(*args, **kwargs)
        company, connector = to_one["company"], to_one["workspace_connector"]
        home = await self.session.get(Workspace, company.workspace_pk)
        if any(parent is None or parent.deleted_at for parent in (company, connector, home)):
            raise BadRequest(detail="a parent is deleted")
        if company.workspace_pk != connector.workspace_pk:
            raise BadRequest(detail="record and connector belong to different workspaces")
        return to_one, to_many


class CompanyWorkspaceConnectorView(ViewBaseGeneric):
    """The operations."""

    data_layer_cls = Provenance
    operation_dependencies: ClassVar = {
        **dict.fromkeys(
            (Operation.GET, Operation.GET_LIST),
            OperationConfig(dependencies=Reading, prepare_data_layer_kwargs=reading_options),
        ),
        Operation.CREATE: OperationConfig(dependencies=Writing, prepare_data_layer_kwargs=writing_options),
    }


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Close the connections at the end."""
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
builder = ApplicationBuilder(app)
builder.add_resource(
    path="/v1/company-workspace-connectors",
    tags=["provenance"],
    resource_type="company_workspace_connector",
    view=CompanyWorkspaceConnectorView,
    model=CompanyWorkspaceConnector,
    schema=CompanyWorkspaceConnectorSchema,
    schema_in_post=CompanyWorkspaceConnectorInSchema,
    operations=[Operation.GET, Operation.GET_LIST, Operation.CREATE],
    pagination_default_size=20,
    ending_slash=False,
)
builder.initialize()
