"""What the scheduler, the kubelet and Argo say, in words that need no knowledge of Kubernetes."""

import pytest

from platform_cli.runs.words import Trouble, in_words


@pytest.mark.parametrize(
    ("said", "words", "trouble"),
    [
        pytest.param(
            "Unschedulable: 0/1 nodes are available: 1 Insufficient memory. no new claims to deallocate, preemption: "
            "0/1 nodes are available: 1 No preemption victims found for incoming pod.",
            "the only node cannot take it: it has too little memory free",
            Trouble.NO_ROOM,
            id="no memory",
        ),
        pytest.param(
            "Unschedulable: 0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint "
            "{nvidia.com/gpu: true}. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
            "none of 3 nodes can take it: 1 has too little cpu free, 2 are reserved by a taint nvidia.com/gpu",
            Trouble.NO_ROOM,
            id="a taint",
        ),
        pytest.param(
            "Unschedulable: 0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. preemption: "
            "0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
            "none of 2 nodes can take it: 2 are not of the pool it asks for",
            Trouble.NO_ROOM,
            id="no such pool",
        ),
        pytest.param(
            'ErrImageNeverPull: Container image "platform/flow:none" is not present with pull policy of Never',
            'image "platform/flow:none" cannot be pulled, which the node does not hold and may not fetch',
            Trouble.IMAGE,
            id="never pulled",
        ),
        pytest.param(
            'ImagePullBackOff: Back-off pulling image "example.org/flow:2": ErrImagePull: rpc error: code = NotFound '
            'desc = failed to pull and unpack image "example.org/flow:2": example.org/flow:2: not found',
            'image "example.org/flow:2" cannot be pulled: there is no such image',
            Trouble.IMAGE,
            id="no such tag",
        ),
        pytest.param(
            'ErrImagePull: failed to pull image "example.org/flow:2": dial tcp: lookup example.org: no such host',
            'image "example.org/flow:2" cannot be pulled: the registry cannot be reached',
            Trouble.IMAGE,
            id="no registry",
        ),
        pytest.param(
            'InvalidImageName: Failed to apply default image tag "a//b": couldn\'t parse image name "a//b"',
            'image "a//b" is no name of an image',
            Trouble.IMAGE,
            id="no name",
        ),
        pytest.param(
            'CreateContainerConfigError: secret "warehouse" not found',
            'needs the Secret "warehouse", which does not exist',
            Trouble.MISSING,
            id="no secret",
        ),
        pytest.param(
            'pods "x-1" is forbidden: exceeded quota: adhoc, requested: requests.memory=4Gi, '
            "used: requests.memory=6Gi, limited: requests.memory=8Gi",
            'quota "adhoc" is used up: requests.memory=4Gi asked, requests.memory=6Gi in use, '
            "requests.memory=8Gi allowed",
            Trouble.QUOTA,
            id="quota",
        ),
        pytest.param(
            'pods "x-1" is forbidden: maximum memory usage per Container is 4Gi, but limit is 8Gi',
            "asks for 8Gi of memory; the namespace gives at most 4Gi",
            Trouble.QUOTA,
            id="limit range",
        ),
        pytest.param(
            "Waiting for ml/ConfigMap/platform-queues/production lock. Lock status: 0/4",
            'waits for its turn in queue "production": 4 runs go at once',
            Trouble.TURN,
            id="semaphore",
        ),
        pytest.param(
            "Backoff for 20 seconds", "failed; another try is decided on after 20 seconds", Trouble.BACKOFF, id="retry"
        ),
        pytest.param("PodInitializing", "is being started", Trouble.NONE, id="starting"),
        pytest.param("something nobody has met.", "something nobody has met", Trouble.NONE, id="unknown"),
    ],
)
def test_the_reason_is_said_in_plain_words(said: str, words: str, trouble: Trouble):
    found = in_words(said)
    assert (found.text, found.trouble) == (words, trouble)
