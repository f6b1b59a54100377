"""A load as a team's programs make it, in steps of ever more clients, which fails when the server is slow or wrong.

    scenario.py http://127.0.0.1:8000

Each client signs up and logs in, and then writes runs, reads its own back and lists them, with short pauses. A read
must bring the bytes that were written, and a list the run that was written last. Every step is held against every
threshold; the exit status is 1 when one is missed. Locust sends the requests, gevent runs the clients.
"""

import argparse
import os
import random
import sys
import time
import uuid
from collections import defaultdict, deque

# Locust comes first: it makes the standard library's sockets cooperative.
from locust import FastHttpUser, between, task
from locust.env import Environment

import gevent

# Milliseconds that 95 and 99 of a hundred requests may take, at every step. Signing up and logging in each compute a
# password hash, which is slow on purpose, and share the processors with everything else.
THRESHOLDS = {
    "sign up": (1000, 2000),
    "log in": (1000, 2000),
    "write": (100, 250),
    "read": (50, 150),
    "list": (75, 200),
}
# What must have been done at every step; only clients that are new sign up and log in.
EVERY_STEP = ("write", "read", "list")
# Part of a step's requests that may fail.
MAX_ERRORS = 0.001
# New clients a second.
ARRIVALS = 4
# Runs of a client that it may read again.
KEPT = 20
PASSWORD = "correct horse battery"


class Client(FastHttpUser):
    """Somebody with a workspace of their own, which nobody else writes to."""

    wait_time = between(0.05, 0.15)

    def on_start(self):
        self.runs = deque(maxlen=KEPT)
        account = {"email": f"{uuid.uuid4()}@example.com", "password": PASSWORD}
        self.expect("POST", "/signup", "sign up", 201, json=account)
        token = self.expect("POST", "/login", "log in", 200, json=account)
        # Without a token there is nothing to do, and the failure has been counted.
        self.headers = {"authorization": f"Bearer {token.json()['token']}"} if token is not None else None
        self.write()

    def expect(self, method, path, name, status, contains=b"", **request):
        """The answer, if it is as it should be; otherwise the request is counted as failed."""
        with self.client.request(method, path, name=name, catch_response=True, **request) as answer:
            if answer.status_code == 0:
                answer.failure(f"no answer: {answer.error}")
            elif answer.status_code != status:
                answer.failure(f"{answer.status_code} in place of {status}: {answer.text}")
            elif contains not in answer.content:
                answer.failure("the answer lacks what was written before")
            else:
                return answer
        return None

    @task(2)
    def write(self):
        if self.headers is None:
            return
        inputs = '{"text":"%s"}' % "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=1000))
        body = '[{"trace_id":"%s","name":"load","inputs":%s,"outputs":{"n":1.50}}]' % (uuid.uuid4(), inputs)
        headers = {**self.headers, "content-type": "application/json"}
        answer = self.expect("POST", "/runs", "write", 201, data=body, headers=headers)
        if answer is not None:
            self.runs.append((answer.json()["ids"][0], inputs.encode()))

    @task(6)
    def read(self):
        if self.runs:
            run, inputs = random.choice(self.runs)
            self.expect("GET", f"/runs/{run}", "read", 200, contains=inputs, headers=self.headers)

    @task(2)
    def list(self):
        if self.runs:
            newest = self.runs[-1][0].encode()
            self.expect("GET", "/runs?limit=20", "list", 200, contains=newest, headers=self.headers)


class Step:
    """What the requests that were answered during a step took."""

    def __init__(self, clients):
        self.clients = clients
        self.begun = time.monotonic()
        self.times = defaultdict(list)
        self.errors = defaultdict(int)

    def record(self, name, response_time, exception=None, **_):
        self.times[name].append(response_time)
        if exception is not None:
            self.errors[name] += 1
            # The first few say enough.
            if sum(self.errors.values()) <= 3:
                print(f"  {name} failed: {exception}", flush=True)

    def end(self, scale):
        """Prints the step, and returns the thresholds that it misses, as sentences."""
        elapsed = time.monotonic() - self.begun
        missed = [f"nobody got to {name}" for name in EVERY_STEP if not self.times[name]]
        for name, (p95, p99) in THRESHOLDS.items():
            times = sorted(self.times[name])
            if not times:
                continue
            found = [percentile(times, percent) for percent in (50, 95, 99)]
            rate, errors = len(times) / elapsed, self.errors[name]
            columns = " ".join(f"{figure:>8.1f}" for figure in (rate, *found))
            print(f"{self.clients:>7}  {name:<8} {columns} {errors:>7}")
            for percent, took, most in ((95, found[1], p95 * scale), (99, found[2], p99 * scale)):
                if took > most:
                    missed.append(f"p{percent} of {name} is {took:.1f} ms, and may be {most:.4g} ms")
        requests, errors = sum(map(len, self.times.values())), sum(self.errors.values())
        if errors > MAX_ERRORS * requests:
            missed.append(f"{errors} of {requests} requests failed, and {MAX_ERRORS:.1%} may")
        sys.stdout.flush()
        return [f"{self.clients} clients: {sentence}" for sentence in missed]


def percentile(times, percent):
    """The time that so many of a hundred do not exceed, of times in order."""
    return times[max(-(-len(times) * percent // 100), 1) - 1]


def number(name, default):
    text = os.environ.get(name) or default
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not value > 0:
        sys.exit(f"{name} is {text!r}; it must be a number above 0")
    return value


def steps():
    text = os.environ.get("LOAD_CLIENTS") or "1 8 32 64"
    if not all(word.isdecimal() and 0 < int(word) <= 1000 for word in text.split()) or not text.split():
        sys.exit(f"LOAD_CLIENTS is {text!r}; it must be numbers of clients from 1 to 1000, such as '1 8 32 64'")
    return sorted({int(word) for word in text.split()})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="the server")
    url = parser.parse_args().url.rstrip("/")
    seconds, scale = number("LOAD_SECONDS", "15"), number("LOAD_SCALE", "1")

    environment = Environment(user_classes=[Client], host=url)
    runner = environment.create_local_runner()
    missed = []
    print(f"{'clients':>7}  {'request':<8} {'/s':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'errors':>7}")
    for clients in steps():
        step = Step(clients)
        environment.events.request.add_listener(step.record)
        runner.start(clients, spawn_rate=ARRIVALS)
        # The clients that are new arrive first, and then everybody stays for as long.
        gevent.sleep(seconds + (clients - runner.user_count) / ARRIVALS)
        environment.events.request.remove_listener(step.record)
        missed += step.end(scale)
    runner.quit()

    for sentence in missed:
        print(f"MISSED: {sentence}")
    if missed:
        sys.exit("load: thresholds are missed; on a slow machine LOAD_SCALE makes those of latency larger")
    print("every threshold is met")


if __name__ == "__main__":
    main()
