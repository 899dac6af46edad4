"""What get, list and watch were asked for: selectors, pages, tables; no I/O of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from knative.local.api.selectors import field_selector, label_selector
from knative.local.api.streams import Match, Watch
from knative.local.api.table import table
from knative.local.errors import BadRequest
from knative.local.kinds import Kind
from knative.local.store import Object, Store

WATCH_SECONDS = "3600"  # when the client names no time

Render = Callable[[Object], Object]


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and its ListMeta."""

    items: list[Object]
    meta: Object


def page(store: Store, kind: Kind, namespace: str | None, query: Mapping[str, str]) -> Page:
    """Return the objects that match, from `continue` on, at most `limit`."""
    match = _match(None, query)
    found = [o for o in store.list(kind.kind, namespace) if match(o)]
    after = _position(query.get("continue", ""))
    rest = [o for o in found if _place(o) > after] if after else found
    limit = number(query.get("limit") or "0", "limit")
    meta: Object = {"resourceVersion": str(store.revision())}
    if 0 < limit < len(rest):
        meta["continue"] = "/".join(_place(rest[limit - 1]))
        meta["remainingItemCount"] = len(rest) - limit
        rest = rest[:limit]
    return Page(rest, meta)


def listing(kind: Kind, found: Page, request: Request, now: datetime) -> Object:
    """Return a list, as a table when the client prefers one."""
    if _prefers_table(request):
        return table(kind, found.items, found.meta, now, _included(request))
    head = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": found.meta}
    return {**head, "items": found.items}


def renderer(kind: Kind, request: Request, clock: Callable[[], datetime]) -> Render:
    """Return how to show one object: as it is, or as a table when the client prefers one."""

    def row(obj: Object) -> Object:
        meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        return table(kind, [obj], meta, clock(), _included(request))

    return row if _prefers_table(request) else lambda obj: obj


def _prefers_table(request: Request) -> bool:
    return "as=Table" in request.headers.get("accept", "")


def _included(request: Request) -> str:
    return request.query_params.get("includeObject", "Metadata")


def watch(kind: Kind, namespace: str | None, query: Mapping[str, str], render: Render) -> Watch:
    """Return the watch that a client asked for."""
    initial = query.get("sendInitialEvents") == "true"
    text = query.get("resourceVersion") or "0"
    return Watch(
        kind=kind,
        match=_match(namespace, query),
        since=None if initial or text == "0" else number(text, "resourceVersion"),
        initial=initial,
        bookmarks=query.get("allowWatchBookmarks") == "true",
        seconds=number(query.get("timeoutSeconds") or WATCH_SECONDS, "timeoutSeconds"),
        render=render,
    )


def log_options(query: Mapping[str, str]) -> tuple[int | None, bool]:
    """Return how many last lines of a log are wanted, and whether to follow it."""
    for name in ("previous", "timestamps", "sinceSeconds", "sinceTime", "limitBytes"):
        if query.get(name, "false") != "false":
            raise BadRequest(f"{name}: logs here are one file of plain lines; use tailLines")
    tail = query.get("tailLines")
    following = query.get("follow") in ("1", "true")
    return None if tail is None else number(tail, "tailLines"), following


def number(text: str, name: str) -> int:
    """Read a whole number of the query."""
    if not text.isdecimal():
        raise BadRequest(f"{name}: {text!r} is not a whole number")
    return int(text)


def _match(namespace: str | None, query: Mapping[str, str]) -> Match:
    labels = label_selector(query.get("labelSelector", ""))
    fields = field_selector(query.get("fieldSelector", ""))

    def match(obj: Object) -> bool:
        inside = namespace is None or obj["metadata"].get("namespace") == namespace
        return inside and labels(obj) and fields(obj)

    return match


def _place(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _position(token: str) -> tuple[str, str] | None:
    namespace, found, name = token.partition("/")
    if token and not found:
        raise BadRequest("continue: not a token of this API")
    return (namespace, name) if token else None
