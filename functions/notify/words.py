"""What people are told of an event: one line, in the form that Slack's incoming webhooks take. Pure."""

from eventing.events import (
    Payload,
    RolloutPromoted,
    RolloutRolledBack,
    RolloutStarted,
    RolloutSuperseded,
)


def line(payload: Payload) -> str:
    """Say it; empty for what nobody wants to be told."""
    match payload:
        case RolloutStarted(service=service, candidate=candidate, stable=stable):
            return f"{service}: {candidate} is tried against {stable or 'nothing'}"
        case RolloutPromoted(service=service, candidate=candidate, evidence=evidence):
            return f"{service}: {candidate} serves everything now ({evidence})"
        case RolloutRolledBack(service=service, stable=stable) as back:
            return f"{service}: {back.candidate} was refused, {stable or 'it'} serves ({back.evidence})"
        case RolloutSuperseded(service=service, candidate=candidate, evidence=evidence):
            return f"{service}: {candidate} was given up ({evidence})"
        case _:
            return ""


def escaped(text: str) -> str:
    """Escape what Slack would read as a mention or a link; evidence may quote anybody's words."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
