"""The platform's feed: applying events, settling those that wait, loading files (contract, section 6)."""

from wellspring.repositories.feed.sources import status
from wellspring.repositories.feed.work import Action, FeedEvent, Malformed, Told, Verdict
from wellspring.services.feed.applying import apply, settle, settle_for
from wellspring.services.feed.endings import erase

__all__ = ["Action", "FeedEvent", "Malformed", "Told", "Verdict", "apply", "erase", "settle", "settle_for", "status"]
