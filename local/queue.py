"""The SQS, S3 and EventBridge of the local stack: starts their process, makes queues, bucket and bus.

What differs from AWS is the visibility timeout: seconds instead of minutes, so that a poisoned message is in
the dead-letter queue while somebody is still looking.
"""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from local.errors import Fault
from local.processes import free_port, listen_on
from local.settings import ACCOUNT_ID, HOST, REGION, ROOT
from local.template import Queue, Template
from wellspring.ledger_events import BUS_SOURCE

START_SECONDS = 30.0
# The bus is not template.yaml's: a deployment is told of one.
BUS = "wellspring"
BUS_ARN = f"arn:aws:events:{REGION}:{ACCOUNT_ID}:event-bus/{BUS}"
EVENTS_QUEUE = "wellspring-events"
EVENTS_SECONDS = 86_400
STOP_SECONDS = 10.0


def client(endpoint_url: str, service: str = "sqs") -> Any:
    """Return a boto3 client of a service for the local endpoint; it reads no profile and no key of the person's own."""
    # A tenth of the stack's start goes into this import, so it happens beside Postgres's start, not before it.
    import boto3  # noqa: PLC0415  for the reason above
    from botocore.config import Config  # noqa: PLC0415  the same

    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)  # noqa: S106  no secret: moto takes any
    return session.client(
        service,
        endpoint_url=endpoint_url,
        config=Config(
            connect_timeout=2, read_timeout=30, retries={"max_attempts": 2}, proxies={}, max_pool_connections=20
        ),
    )


def add_target(events: Any, queue: str) -> None:
    """Have the bus send all that it gets to a queue too."""
    events.put_rule(Name=queue, EventBusName=BUS, EventPattern=json.dumps({"source": [BUS_SOURCE]}))
    target = {"Id": "queue", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{queue}"}
    events.put_targets(Rule=queue, EventBusName=BUS, Targets=[target])


class QueueServer:
    """The SQS process. `start` and `make_queues` are apart because the one can run beside other starts.

    `state_file` keeps undelivered messages over a restart. Raises Fault when the port is taken.
    """

    def __init__(self, template: Template, port: int, state_file: Path, log: Path, visibility_timeout: int) -> None:
        self._template = template
        self._port = port
        self._state_file = state_file
        self._log = log
        self.visibility_timeout = visibility_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint_url = ""
        self.urls: dict[str, str] = {}

    def start(self) -> None:
        """Start the process; return at once."""
        listen_on(self._port, "SQS_PORT").close()
        # Known at once, because the functions' workers start meanwhile and are told where the bucket is.
        self._port = self._port or free_port()
        self.endpoint_url = f"http://{HOST}:{self._port}"
        of_others = ("AWS_", "MOTO_", "PYTHON")
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*(sys.executable, "-m", "local.sqs_server"), str(self._port), self._state_file, ACCOUNT_ID, REGION],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=ROOT,
                env={name: value for name, value in os.environ.items() if not name.startswith(of_others)},
                start_new_session=True,
            )

    def make_queues(self) -> None:
        """Wait until the server answers, and make the template's queues, dead-letter queues first."""
        assert self._process is not None  # noqa: S101  start comes first
        assert self._process.stdout is not None  # noqa: S101  it is a pipe
        readable, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        line = self._process.stdout.readline() if readable else b""
        if not line.strip().isdigit():
            raise Fault(f"the queue server did not start (see {self._log})")
        sqs = client(self.endpoint_url)
        queues = self._template.queues
        for queue in sorted(queues.values(), key=lambda queue: queue.dead_letter_queue is not None):
            created = sqs.create_queue(QueueName=queue.name, Attributes=self._attributes(queue))
            self.urls[queue.logical_id] = created["QueueUrl"]

    def make_bucket(self) -> None:
        """Make the template's bucket, which tells its queues of new files; after `make_queues`."""
        bucket = self._template.bucket
        s3 = client(self.endpoint_url, "s3")
        s3.create_bucket(Bucket=bucket.name)
        s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=bucket.name,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {
                        "QueueArn": self._template.queues[queue].arn,
                        "Events": ["s3:ObjectCreated:*"],
                        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
                    }
                    for queue, prefix in bucket.notified
                ]
            },
        )

    def make_bus(self) -> str:
        """Make a bus and a queue that gets all of it; return the queue's URL. After `make_queues`."""
        sqs, events = client(self.endpoint_url), client(self.endpoint_url, "events")
        attributes = {"MessageRetentionPeriod": str(EVENTS_SECONDS)}
        url: str = sqs.create_queue(QueueName=EVENTS_QUEUE, Attributes=attributes)["QueueUrl"]
        events.create_event_bus(Name=BUS)
        add_target(events, EVENTS_QUEUE)
        return url

    def _attributes(self, queue: Queue) -> dict[str, str]:
        attributes = {**queue.attributes, "VisibilityTimeout": str(self.visibility_timeout)}
        if queue.dead_letter_queue is not None:
            target = self._template.queues[queue.dead_letter_queue].arn
            attributes["RedrivePolicy"] = json.dumps(
                {"deadLetterTargetArn": target, "maxReceiveCount": queue.maximum_receives}
            )
        return attributes

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End the process as a crash would."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None  # noqa: S101  it is a pipe
        process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def __enter__(self) -> Self:
        self.start()
        try:
            self.make_queues()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
