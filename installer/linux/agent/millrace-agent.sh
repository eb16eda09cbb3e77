#!/bin/sh
# The command millrace-agent: runs the installed agent under the account of its service, whoever asks for it.
set -u
account=millrace-agent
program=/usr/lib/millrace-agent/current
node=$program/node
credentials=/etc/millrace-agent/credentials

if [ "$(id -u)" -ne 0 ]; then
  if [ -x "$node" ]; then exec "$node" "$program/main.mjs" "$@"; fi
  echo "millrace-agent: only administrators and the account $account may run the agent; say: sudo millrace-agent $*" >&2
  exit 2
fi
if [ ! -e "$program/main.mjs" ]; then
  echo "millrace-agent: $program is missing; install the package millrace-agent again" >&2
  exit 2
fi

# These two speak to the machine itself: its service manager, its key for credentials.
case ${1-} in secret | service) exec "$node" "$program/main.mjs" "$@" ;; esac

export HOME=/var/lib/millrace-agent
# For hints; empty where this script does it itself, below.
if [ "${1-}" = enroll ] && [ -d /run/systemd/system ]; then start=; else start="sudo millrace-agent service start"; fi
export MILLRACE_START_COMMAND="$start"
as_account() {
  setpriv --reuid="$account" --regid="$account" --init-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
    "$node" "$program/main.mjs" "$@"
}

# What systemd gives the service, for as long as the command runs; in memory, readable by the account alone.
open_credentials() {
  if [ -n "${CREDENTIALS_DIRECTORY-}" ] || [ -z "$(ls -A "$credentials" 2>/dev/null)" ]; then return; fi
  folder=$(mktemp -d /run/millrace-agent.XXXXXXXX) || exit 1
  mkdir -m 0700 "$folder/open"
  for sealed in "$credentials"/*; do
    name=${sealed##*/}
    if ! command -v systemd-creds >/dev/null; then
      # An older systemd: they lie there as they are, readable by root alone.
      install -m 0400 "$sealed" "$folder/open/$name"
    elif systemd-creds decrypt --name="$name" "$sealed" "$folder/open/$name" 2>"$folder/problem"; then
      chmod 0400 "$folder/open/$name"
    else
      echo "millrace-agent: the credential $name could not be opened: $(cat "$folder/problem")" >&2
      rm -f "$folder/open/$name"
    fi
  done
  chown -R "$account:$account" "$folder/open"
  chmod 0711 "$folder"
  export CREDENTIALS_DIRECTORY="$folder/open"
}
close_credentials() { if [ -n "${folder-}" ]; then rm -rf "$folder"; fi; }

trap close_credentials EXIT
# The command hears the signal too, and ends by it in its own way; the credentials go only after it.
trap : INT TERM HUP
umask 077
open_credentials
as_account "$@"
result=$?

# An agent that is known to its relay runs from now on; what it has to say about its first seconds is in the journal.
if [ "$result" -eq 0 ] && [ "${1-}" = enroll ] && [ -d /run/systemd/system ]; then
  case " $* " in *" --help "* | *" -h "*) exit 0 ;; esac
  if systemctl enable --now --quiet millrace-agent.service; then
    echo "The service millrace-agent runs, now and after every start of this machine: millrace-agent service status"
  else
    echo "The service millrace-agent did not start; why: sudo millrace-agent service logs" >&2
    result=1
  fi
fi
exit "$result"
