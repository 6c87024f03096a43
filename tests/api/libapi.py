#!/usr/bin/python3
"""A service that the tests of one file share, and its clients.

  from libapi import service
  s = service()               started at the first call, ended at exit

As a program it starts a service, runs a command with the environment of an AWS
SDK (AWS_ENDPOINT_URL_SESV2, keys, region; TEST_HTTP, TEST_API_KEY) and ends
with its status:

  tests/api/libapi.py node tests/api/sdk.mjs
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "flow"))

from libpostrider import Service, command, http, wait_until  # noqa: E402

__all__ = ["service", "Service", "command", "http", "wait_until"]

shared = []


def service():
    """The file's own service in its embedded default (--dev)."""
    if not shared:
        shared.append(Service({"POSTRIDER_RETRY": "1s,2s"}).start())
    return shared[0]


def main(argv):
    with Service({"POSTRIDER_RETRY": "1s,2s"}) as s:
        env = dict(os.environ, **s.aws_environment())
        return subprocess.run(argv, env=env).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
