"""Senders of messages: a workspace connector, or a workspace."""

from collections.abc import Callable, Iterable
from uuid import UUID

from pydantic import AwareDatetime, TypeAdapter, validate_call

from wellspring_producer.messages import (
    ConnectorDisconnected,
    Direction,
    Id,
    Mode,
    ProvidersMatched,
    RunName,
    SyncReverted,
    new_id,
)
from wellspring_producer.runs import Progress, Run, Snapshot, show
from wellspring_producer.sending import Sender, Sqs, client

_id: TypeAdapter[str] = TypeAdapter(Id)


class _Source:
    def __init__(self, queue_url: str, id_: UUID | str, sqs: Sqs | None) -> None:
        self._queue_url = queue_url
        self.id = _id.validate_python(id_)
        self._sqs = sqs or client()

    def _send(self, message: ConnectorDisconnected | SyncReverted | ProvidersMatched) -> str:
        Sender(self._queue_url, self._sqs).send(message.entry())
        return message.id


class Connector(_Source):
    """One workspace connector: its syncs, and their undoing.

    Args:
        queue_url: of Wellspring's sync queue.
        workspace_connector_id: of the connector.
        sqs: boto3's client of SQS; None makes one, as the environment configures it.
        progress: is told how far a run is; by default a line in the terminal.
    """

    def __init__(
        self,
        queue_url: str,
        workspace_connector_id: UUID | str,
        *,
        sqs: Sqs | None = None,
        progress: Callable[[Progress], None] = show,
    ) -> None:
        super().__init__(queue_url, workspace_connector_id, sqs)
        self._progress = progress

    @validate_call
    def run(
        self,
        name: RunName,
        *,
        direction: Direction | None = None,
        mode: Mode = "append",
        snapshot: Snapshot | None = None,
        occurred_at: AwareDatetime | None = None,
    ) -> Run:
        """Return a run, for a `with` block. Call it before you read the source.

        Args:
            name: the run's, used once: 1 to 100 printable characters.
            direction: `input` (the default) or `output`; a snapshot's is the run's.
            mode: `append`, or `relink`: what the run names again replaces what there was.
            snapshot: what the run reads whole, so that what is gone ends.
            occurred_at: when it happened; None where the name begins with a date or time, which is in UTC unless it
                says otherwise.
        """
        return Run(
            self._queue_url,
            self._sqs,
            self.id,
            name,
            direction=direction,
            mode=mode,
            snapshot=snapshot,
            occurred_at=occurred_at,
            progress=self._progress,
        )

    def disconnect(self, *, id_: UUID | str | None = None) -> str:
        """Say that the connector is gone, with all that it brought in or carried out. Return the message's id.

        Raises:
            NotSent: with the message; whoever tries again may pass its id.
        """
        return self._send(ConnectorDisconnected(id=id_ or new_id(), workspace_connector_id=self.id))

    def revert(
        self,
        *,
        run: str | None = None,
        message_ids: Iterable[UUID | str] | None = None,
        id_: UUID | str | None = None,
    ) -> str:
        """Undo a run, or up to 1,000 messages. Return the message's id. Raises NotSent."""
        ids = None if message_ids is None else list(message_ids)
        which = {name: said for name, said in (("run", run), ("message_ids", ids)) if said is not None}
        return self._send(SyncReverted(id=id_ or new_id(), workspace_connector_id=self.id, **which))


class Workspace(_Source):
    """One workspace, whose providers are matched.

    Args:
        queue_url: of Wellspring's sync queue.
        workspace_id: of the workspace.
        sqs: boto3's client of SQS; None makes one, as the environment configures it.
    """

    def __init__(self, queue_url: str, workspace_id: UUID | str, *, sqs: Sqs | None = None) -> None:
        super().__init__(queue_url, workspace_id, sqs)

    def match(self, provider_ids: Iterable[UUID | str], *, id_: UUID | str | None = None) -> str:
        """Say that up to 3,000 providers suit the workspace. Return the message's id. Raises NotSent."""
        return self._send(ProvidersMatched(id=id_ or new_id(), workspace_id=self.id, provider_ids=list(provider_ids)))
