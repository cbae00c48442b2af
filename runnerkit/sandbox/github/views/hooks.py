"""Webhooks and their deliveries as GitHub shows them."""

import json

from runnerkit.sandbox.github.clock import stamp
from runnerkit.sandbox.github.exchange import Links
from runnerkit.sandbox.github.hooks.rules import deliveries_of
from runnerkit.sandbox.github.hooks.sender import headers_of, said
from runnerkit.sandbox.github.records import Delivery, Hook
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.views.accounts import Json


def hook(state: State, links: Links, found: Hook) -> Json:
    """Show a hook; its secret is never shown."""
    url, since = f"{links.api}/{found.level}/hooks/{found.id}", stamp(found.created_at)
    body: Json = {
        "type": "Repository" if found.level.startswith("repos/") else "Organization",
        "id": found.id,
        "name": "web",
        "active": found.active,
        "events": list(found.events),
        "config": config(found),
        "created_at": since,
        "updated_at": since,
        "url": url,
        "ping_url": f"{url}/pings",
        "deliveries_url": f"{url}/deliveries",
    }
    if found.level.startswith("orgs/"):
        return body
    return body | {"test_url": f"{url}/tests", "last_response": _last(state, found)}


def _last(state: State, found: Hook) -> Json:
    done = [each for each in deliveries_of(state, found) if each.status]
    if not done:
        return {"code": None, "status": "unused", "message": None}
    return {"code": done[0].status, "status": "active", "message": said(done[0])}


def config(found: Hook) -> Json:
    """Show where and how a hook is sent; its secret is never shown."""
    shown = {"url": found.url, "content_type": found.content_type, "insecure_ssl": "0"}
    return shown | ({"secret": "********"} if found.secret else {})


def delivery_item(found: Delivery) -> Json:
    """Show a delivery as lists do."""
    return {
        "id": found.id,
        "guid": found.guid,
        "delivered_at": stamp(found.at),
        "redelivery": found.redelivery,
        "duration": found.duration,
        "status": said(found),
        "status_code": found.status,
        "event": found.event,
        "action": found.action,
        "installation_id": found.installation_id,
        "repository_id": found.repository_id,
        "throttled_at": None,
    }


def delivery(state: State, found: Delivery) -> Json:
    """Show a delivery with what was sent and what came back."""
    owner = state.hooks[found.hook_id]
    request = {"headers": headers_of(state, owner, found), "payload": json.loads(found.body)}
    response = {"headers": {}, "payload": found.answer}
    return delivery_item(found) | {"url": owner.url, "request": request, "response": response}
