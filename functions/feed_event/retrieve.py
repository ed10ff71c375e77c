"""`GET /v1/feed-events/{id}`: one of them."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import FEED_EVENT

handler = retrieve_of(FEED_EVENT)
