"""
Whether anything lies below a prefix, without loading boto3's model of S3.

In: an S3 server of one's own, a bucket, a prefix. Out: yes, no, or None where only the whole client can say.

Every `platform submit` asks this once, and the client that boto3 makes costs more than everything else it does. The
signature and the chain of credentials are botocore's own.
"""

from __future__ import annotations

from urllib.parse import quote

_SECONDS = 3.0


def any_below(endpoint: str, bucket: str, prefix: str) -> bool | None:
    """Ask for one key; None for every answer but a plain one, so that the whole client repeats it and explains."""
    import urllib3
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    try:
        credentials = Session(include_builtin_handlers=False).get_credentials()
        if credentials is None:
            return None
        query = f"list-type=2&max-keys=1&prefix={quote(prefix, safe='')}"
        request = AWSRequest("GET", f"{endpoint.rstrip('/')}/{bucket}?{query}")
        S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=60).add_auth(request)
        answer = urllib3.PoolManager(retries=False, timeout=_SECONDS).request("GET", request.url)
    except (BotoCoreError, urllib3.exceptions.HTTPError):
        return None
    if answer.status != 200:
        return None
    return b"<Key>" in answer.data
