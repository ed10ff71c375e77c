"""Events of the feed over HTTP, released and dismissed by hand, and the feed's status: for services."""

from functools import partial

from wellspring.handlers import parked
from wellspring.handlers.answers import status_of
from wellspring.jsonapi.body import MetaMember
from wellspring.resources import FEED_STATUS
from wellspring.services.feed import status
from wellspring.services.feed.parked import ParkedEvents, oldest_of

SOURCE = MetaMember("source", "text", longest=2000)

# Each returns the handler of its operation (functions/feed_event, functions/feed_status).
feed_release = partial(parked.release_of, ParkedEvents)
feed_dismiss = partial(parked.dismiss_of, ParkedEvents)
feed_release_many = partial(parked.release_many_of, ParkedEvents, SOURCE, oldest_of)
feed_status = partial(status_of, FEED_STATUS, status)
