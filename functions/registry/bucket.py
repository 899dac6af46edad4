"""What a bucket needs besides objects: versions, a queue that is told of them, and one for the rest.

A message that nobody can deal with goes to a queue of its own after RECEIVES receipts, where it waits
two weeks for a person; otherwise it would come back for ever. A source keeps what it holds while the
sink is away, so a message is only received again after the source itself has died or given up.
"""

import json
from collections.abc import Mapping
from typing import Any

DOCUMENTS = "documents/"
"""Where a removal is of interest: the Trigger of embed-rebuild names the same prefix."""
DEAD_LETTERS = "-dead-letters"
"""What the second queue's name adds to the first one's."""
RECEIVES = 10
_TWO_WEEKS = str(14 * 24 * 3600)


def configure_bucket(s3: Any, sqs: Any, bucket: str, queue: str) -> str:
    """Make bucket and queues if they are missing, versioned and connected; return the queue's URL.

    Doing it again changes nothing. Other notifications of the bucket are kept, and so is a redrive
    policy that somebody gave the queue.
    """
    _ensure_bucket(s3, bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    url, found = _queue(sqs, queue)
    arn = found["QueueArn"]
    settings = {"Policy": json.dumps(_policy(bucket, arn))}
    if "RedrivePolicy" not in found:
        settings["RedrivePolicy"] = json.dumps(_redrive(sqs, queue + DEAD_LETTERS))
    sqs.set_queue_attributes(QueueUrl=url, Attributes=settings)
    _notify(s3, bucket, arn)
    return url


def _queue(sqs: Any, name: str) -> tuple[str, Mapping[str, str]]:
    url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return url, found["Attributes"]


def _redrive(sqs: Any, name: str) -> Mapping[str, Any]:
    url, found = _queue(sqs, name)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": _TWO_WEEKS})
    return {"deadLetterTargetArn": found["QueueArn"], "maxReceiveCount": RECEIVES}


def _notify(s3: Any, bucket: str, arn: str) -> None:
    current = s3.get_bucket_notification_configuration(Bucket=bucket)
    current.pop("ResponseMetadata", None)
    queues = current.get("QueueConfigurations", [])
    merged = _subscribed(queues, arn)
    if merged != queues:
        wanted = current | {"QueueConfigurations": merged}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)


def _subscribed(queues: list[dict[str, Any]], arn: str) -> list[dict[str, Any]]:
    """Return `queues` with what the queue `arn` is to be told; what it is told already stays.

    A removed document changes the index; nothing waits for the removal of anything else.
    """
    rule = {"FilterRules": [{"Name": "prefix", "Value": DOCUMENTS}]}
    wanted = (
        {"Id": "marketresearch", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"]},
        {
            "Id": "marketresearch-removed",
            "QueueArn": arn,
            "Events": ["s3:ObjectRemoved:*"],
            "Filter": {"Key": rule},
        },
    )
    told = {event for item in queues if item["QueueArn"] == arn for event in item["Events"]}
    return [*queues, *(item for item in wanted if not told & set(item["Events"]))]


def _ensure_bucket(s3: Any, bucket: str) -> None:
    names = {item["Name"] for item in s3.list_buckets()["Buckets"]}
    if bucket in names:
        return
    region = s3.meta.region_name
    # S3 refuses its oldest region as a constraint.
    where = {} if region == "us-east-1" else {"LocationConstraint": region}
    s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {}))


def _policy(bucket: str, arn: str) -> Mapping[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
            }
        ],
    }
