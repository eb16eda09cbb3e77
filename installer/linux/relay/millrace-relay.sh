#!/bin/sh
# The command millrace-relay: runs the installed relay under the account of its service, whoever asks for it.
set -u
account=millrace-relay
program=/usr/lib/millrace-relay/current
node=$program/node

if [ "$(id -u)" -ne 0 ]; then
  if [ -x "$node" ]; then exec "$node" "$program/main.mjs" "$@"; fi
  echo "millrace-relay: only administrators and the account $account may run the relay; say: sudo millrace-relay $*" >&2
  exit 2
fi
if [ ! -e "$program/main.mjs" ]; then
  echo "millrace-relay: $program is missing; install the package millrace-relay again" >&2
  exit 2
fi
export HOME=/var/lib/millrace-relay
# Commands look at the store of the service, whatever it is called in its settings.
export MILLRACE_RELAY_CONFIG="${MILLRACE_RELAY_CONFIG-/etc/millrace-relay/relay.yaml}"
exec setpriv --reuid="$account" --regid="$account" --init-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
  "$node" "$program/main.mjs" "$@"
