"""
Make the buckets and say who may do what in each; running it again changes nothing.

In: a JSON file, bucket -> account -> {action: [key patterns]}. Out: buckets with a policy each.
It runs as a Job of the chart, with the root account of the S3 server and no other code of the project.
"""

import json
import os
import sys
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

ACTIONS = {
    "list": ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
    "read": ["s3:GetObject"],
    "write": ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
    "delete": ["s3:DeleteObject"],
}


def statements(bucket, accounts):
    for account, rights in sorted(accounts.items()):
        for right, patterns in sorted(rights.items()):
            arn = f"arn:aws:s3:::{bucket}"
            resources = [arn] if right == "list" else [f"{arn}/{pattern}" for pattern in patterns]
            yield {
                "Sid": f"{account}-{right}",
                "Effect": "Allow",
                "Principal": {"AWS": [account]},
                "Action": ACTIONS[right],
                "Resource": resources,
            }


def main():
    client = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT"])
    for bucket, accounts in json.loads(Path(sys.argv[1]).read_text()).items():
        try:
            client.create_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
        policy = {"Version": "2012-10-17", "Statement": list(statements(bucket, accounts))}
        client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        sys.stdout.write(f"{bucket}: {', '.join(sorted(accounts))}\n")


main()
