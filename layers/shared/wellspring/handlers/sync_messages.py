"""Parked messages over HTTP: released and dismissed by hand, for services."""

from functools import partial

from wellspring.handlers import parked
from wellspring.ids import parse_id
from wellspring.jsonapi.body import MetaMember
from wellspring.services.sync.releasing import ParkedMessages, oldest_of

CONNECTOR = MetaMember("workspace_connector", "text", longest=100)

# Each returns the handler of its operation (functions/sync_message).
release = partial(parked.release_of, ParkedMessages)
dismiss = partial(parked.dismiss_of, ParkedMessages)
release_many = partial(
    parked.release_many_of,
    # A snapshot that would end too much is carried out where its message is asked for by its id alone.
    partial(ParkedMessages, is_confirmed=False),
    CONNECTOR,
    lambda connector, reason: oldest_of(parse_id(connector), reason),
)
