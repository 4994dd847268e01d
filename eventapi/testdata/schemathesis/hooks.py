"""Rules of an event that hold between two fields, which a JSON Schema cannot say.

Schemathesis generates every field by its own schema; the hook then brings the fields of one body in line, so that
requests get past validation.
"""

import datetime
import decimal
import itertools

import schemathesis

instant = datetime.datetime.fromisoformat


def go_together(event, one, other):
    """Both are there, or neither."""
    if event.get(one) is None or event.get(other) is None:
        event[one] = event[other] = None


def in_order(event, low, high, key):
    if event.get(low) is not None and event.get(high) is not None and key(event[high]) < key(event[low]):
        event[low], event[high] = event[high], event[low]


def align(event):
    go_together(event, "latitude", "longitude")
    go_together(event, "price_min", "price_max")
    in_order(event, "price_min", "price_max", decimal.Decimal)
    in_order(event, "tickets_available", "capacity", int)
    if event["price_min"] is not None and event.get("currency") is None:
        event["currency"] = "CHF"
    in_order(event, "starts_at", "ends_at", instant)
    if instant(event["starts_at"]) == instant(event["ends_at"]):
        event["ends_at"] = "9999-12-31T00:00:00Z"


counter = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Align the requests that are meant to be accepted; those meant to be refused stay as they are."""
    if not case.meta.generation.mode.is_positive:
        return
    for name in list(case.headers or ()):
        if case.headers[name] == "":
            del case.headers[name]  # generated for If-Match, although its schema asks for more
        elif name == "Idempotency-Key":
            case.headers[name] = f"key-{next(counter)}"  # one that came with another request before is refused
    if case.method.upper() == "PATCH" or not isinstance(case.body, dict):
        return
    events = case.body["items"] if isinstance(case.body.get("items"), list) else [case.body]
    for event in events:
        if isinstance(event, dict):
            align(event)
