#!/usr/bin/env bash
# After any `ray.init()`, a Ray cluster that is started with all defaults lets in drivers that find it, not those that
# are given its address.
#
# The good guess: where one account starts `ray start --head` and then calls ray.init(address="host:port") on the same
# machine, the driver joins, as with address="auto". But an earlier ray.init() without an address, of any program, has
# written ~/.ray/auth_token. With that file there, `ray start --head` asks for the token; address="auto" shows it, and
# an address in words does not: "Failed to connect to Ray cluster at host:port", after 20 s. The same holds of
# `ray start --address=host:port`, so that no second node joins.
#
# Version: ray 2.60.0, Python 3.11.
# Behaviour: RAY_AUTH_MODE is not set anywhere. Starting a head, or finding one, turns it to "token" where a token is
# there; joining one whose address is given leaves it "disabled", and the head answers InvalidAuthToken.
# Source: ray/_private/authentication/authentication_token_setup.py: maybe_enable_token_auth_if_token_available.
# Who meets it: whoever has tried Ray on the login node once, and starts a cluster there later. RAY_AUTH_MODE=token for
# drivers and nodes, or RAY_AUTH_MODE=disabled for all, does away with it.
#
# Seen: auto joins; host:port ConnectionError: Failed to connect to Ray cluster; with RAY_AUTH_MODE=token joins
set -euo pipefail

folder=$(mktemp -d /tmp/rayXXXX)
pids() { ps -eo pid=,args= | awk -v place="$folder/" 'index($0, place) && !/awk/ {print $1}'; }
finish() {
  for pid in $(pids); do kill -9 "$pid" 2>/dev/null || true; done
  sleep 1
  rm -rf "$folder"
}
trap finish EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check ray==2.60.0
export HOME="$folder/home" RAY_USAGE_STATS_ENABLED=0
unset RAY_AUTH_MODE RAY_AUTH_TOKEN RAY_AUTH_TOKEN_PATH RAY_ADDRESS
mkdir "$HOME"

cat >"$folder/join.py" <<'PYTHON'
import logging
import sys

import ray

try:
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
    print("joins")
except ConnectionError as error:
    print(f"{type(error).__name__}: {' '.join(str(error).split())[:40]}")
PYTHON
join() { "$folder/venv/bin/python" "$folder/join.py" "$1" 2>>"$folder/log"; }

# Some program tries Ray: the token is there from now on.
"$folder/venv/bin/python" -c 'import ray; ray.init(num_cpus=1, include_dashboard=False); ray.shutdown()' 2>>"$folder/log"
"$folder/venv/bin/ray" start --head --port=6397 --num-cpus=1 --include-dashboard=false --temp-dir="$folder/t" \
  >>"$folder/log" 2>&1
host=$(sed -n 's/.*Local node IP: //p' "$folder/log" | head -n 1)
found=$(join auto)
given=$(join "$host:6397")
shown=$(RAY_AUTH_MODE=token join "$host:6397")
printf 'auto: %s\nhost:port: %s\nhost:port, RAY_AUTH_MODE=token: %s\n' "$found" "$given" "$shown"
[[ $found == joins && $given == "ConnectionError: Failed to connect"* && $shown == joins ]]
