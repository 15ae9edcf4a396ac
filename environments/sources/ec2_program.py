"""Asks EC2 for machines, in a process of its own: `python -m environments.sources.ec2_program`.

Amazon's library takes a third of a second to load, and tens of megabytes: what needs it seldom shall not carry it. It
reads from its standard input `{"regions", "filters", "page", "address", "access_key", "secret", "seconds"}` and prints
`{"machines": [[region, facts]], "refused"}`; `refused` is a sentence, or "".
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_KEPT = ("InstanceId", "PrivateIpAddress", "PublicIpAddress", "PrivateDnsName", "PublicDnsName", "Tags", "Placement")


class Refused(Exception):
    """`str()` says why, for people."""


def ask(question: Mapping[str, Any], region: str) -> Iterator[Mapping[str, Any]]:
    """The machines of a region that fit the filters. Raises Refused."""
    try:
        pages = _client(question, region).get_paginator("describe_instances")
        for page in pages.paginate(Filters=question["filters"], PaginationConfig={"PageSize": question["page"]}):
            for reservation in page["Reservations"]:
                for machine in reservation["Instances"]:
                    yield {name: machine[name] for name in _KEPT if name in machine}
    except ClientError as error:
        told = error.response.get("Error", {})
        why = f"{told.get('Code', '?')}: {told.get('Message', '')}".rstrip(": .")
        raise Refused(f"EC2 in {region} refused ({why[:300]}). It must allow ec2:DescribeInstances.") from None
    except (BotoCoreError, ValueError) as error:
        raise Refused(f"EC2 in {region} could not be asked ({str(error)[:300].rstrip('.')}).") from None


def _client(question: Mapping[str, Any], region: str) -> Any:
    seconds = question["seconds"]
    limits = Config(connect_timeout=min(5.0, seconds), read_timeout=seconds, retries={"total_max_attempts": 2})
    own = {"aws_access_key_id": question["access_key"], "aws_secret_access_key": question["secret"]}
    session = Session(**own) if question["secret"] else Session()
    return session.client("ec2", region_name=region, endpoint_url=question["address"] or None, config=limits)


def main() -> None:
    question = json.loads(sys.stdin.read())
    machines, refused = [], ""
    try:
        machines = [(region, machine) for region in question["regions"] for machine in ask(question, region)]
    except Refused as error:
        refused = str(error)
    sys.stdout.write(json.dumps({"machines": machines, "refused": refused}, default=str))


if __name__ == "__main__":
    main()
