"""What Knative Eventing's webhook refuses of an object before anybody sees it."""

from datetime import UTC, datetime

from eventing.delivery import BadDelivery, policy
from eventing.filters import BadFilter, compile_trigger
from knative.local.errors import BadRequest
from knative.local.eventing.pings import schedule
from knative.local.serving.rules import Settings
from knative.local.store import Object

_DENIED = (
    'admission webhook "validation.webhook.eventing.knative.dev" denied the request: '
    "validation failed: "
)


def check_trigger(obj: Object, old: Object | None, _settings: Settings) -> None:
    """Refuse filters and deliveries that are not understood, and a change of Broker."""
    spec = obj["spec"]
    if old is not None and old["spec"].get("broker") != spec.get("broker"):
        raise BadRequest(f"{_DENIED}Immutable fields changed (-old +new): broker, spec")
    if not spec.get("subscriber"):
        raise BadRequest(f"{_DENIED}missing field(s): spec.subscriber")
    try:
        compile_trigger(spec)
    except BadFilter as error:
        raise BadRequest(f"{_DENIED}{error}: spec.filters") from error
    _check_delivery(spec)


def check_broker(obj: Object, _old: Object | None, _settings: Settings) -> None:
    """Refuse a delivery that is not understood."""
    _check_delivery(obj.setdefault("spec", {}))


def check_ping(obj: Object, _old: Object | None, _settings: Settings) -> None:
    """Refuse what is no schedule."""
    spec = obj["spec"]
    try:
        schedule(spec.get("schedule", ""), spec.get("timezone"), datetime.now(UTC))
    except ValueError as error:
        raise BadRequest(f"{_DENIED}invalid value: {error}: spec.schedule") from error
    if spec.get("data") and spec.get("dataBase64"):
        raise BadRequest(f"{_DENIED}expected exactly one, got both: spec.data, spec.dataBase64")


def _check_delivery(spec: Object) -> None:
    try:
        policy(None, spec.get("delivery"))
    except BadDelivery as error:
        raise BadRequest(f"{_DENIED}invalid value: {error}: spec.delivery") from error
