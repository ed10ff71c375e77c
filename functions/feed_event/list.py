"""`GET /v1/feed-events`: a page of the feed's events that wait or are parked."""

from wellspring.handlers.reading import list_of
from wellspring.resources import FEED_EVENT

handler = list_of(FEED_EVENT)
