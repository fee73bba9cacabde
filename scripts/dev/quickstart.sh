#!/bin/sh
# The whole main job in one go, on the embedded default (a directory as the pool): sets up what it needs, starts the agent, backs up real
# data, changes it, backs up again, restores, compares; leaves the agent running. Run it again as often as you like.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '  $ %s\n' "$*" | sed "s#$here/##g"; "$@"; }

scripts/dev/setup.sh

AGENT_HOME=${AGENT_HOME:-$here/var}
export AGENT_HOME
agentcli=scripts/agentcli
demo=$AGENT_HOME/quickstart
vault=quickstart

say '1. The agent'
if $agentcli status >/dev/null 2>&1; then
  echo '  it runs already'
else
  mkdir -p "$AGENT_HOME/log"
  # A port that is taken by something else must not stop a first look.
  AGENT_PORT=${AGENT_PORT:-0} setsid scripts/rdmonitor >>"$AGENT_HOME/log/quickstart.log" 2>&1 </dev/null &
  tries=0
  until $agentcli status >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 120 ] || { tail -n 20 "$AGENT_HOME/log/quickstart.log" >&2; echo 'error: the agent did not start' >&2; exit 1; }
    sleep 0.5
  done
fi
run $agentcli status

say '2. Real data: a copy of this program, a sparse disk image, links'
rm -rf "$demo/data" "$demo/restored"
mkdir -p "$demo/data" "$demo/restored"
cp -a src docs test "$demo/data/"
truncate -s 256M "$demo/data/disk.img"
tar -cf - src test | dd of="$demo/data/disk.img" bs=1M seek=64 conv=notrunc status=none
ln -s src "$demo/data/a link"
ln "$demo/data/disk.img" "$demo/data/hard link"
du -sh "$demo/data"

say '3. A pool, a vault, a plan'
if ! $agentcli vault show $vault >/dev/null 2>&1; then
  $agentcli pool show quickstart >/dev/null 2>&1 || run $agentcli pool bind quickstart --type local --path "$demo/pool" --create
  rm -f "$demo/recovery-key"
  run $agentcli vault create $vault --pool quickstart --recovery-key-file "$demo/recovery-key"
fi
$agentcli plan show quickstart >/dev/null 2>&1 || run $agentcli plan create quickstart --vault $vault --source files --path "$demo/data"

say '4. First backup'
run $agentcli backup run quickstart --wait

say '5. Something changes, second backup'
echo 'a new line' >>"$demo/data/docs/changed.txt"
rm -r "$demo/data/test"
printf 'changed block' | dd of="$demo/data/disk.img" bs=1M seek=200 conv=notrunc status=none
run $agentcli backup run quickstart --wait
run $agentcli backup list --plan quickstart
backup=$($agentcli backup list --plan quickstart --limit 1 --json | scripts/dev/node -p 'JSON.parse(require("node:fs").readFileSync(0, "utf8")).items[0].id')

say '6. Restore and compare'
run $agentcli backup restore "$backup" --target "$demo/restored" --wait --yes
if command -v rsync >/dev/null; then
  differences=$(rsync -aHX --checksum --delete --dry-run --itemize-changes "$demo/data/" "$demo/restored$demo/data/")
else
  differences=$(diff -r --no-dereference "$demo/data" "$demo/restored$demo/data" || true)
fi
if [ -n "$differences" ]; then
  echo "$differences"
  echo 'error: what was restored differs from what was backed up' >&2
  exit 1
fi
echo '  every file, link and hole is as it was backed up'

say 'The agent goes on running. Next:'
cat <<TEXT
  export AGENT_HOME=$AGENT_HOME
  $agentcli --help
  $agentcli backup ls $(printf %.8s "$backup") -r
  $agentcli vault check $vault --read-data --wait
  $agentcli plan create mine --vault $vault --source files --path /etc
  $agentcli backup run mine --wait
  $agentcli policy create nightly --hours 2 --keep 30 && $agentcli policy apply nightly $vault
  $agentcli plan show mine

  The recovery key in $demo/recovery-key opens the vault on any host, with stock restic too:
  restic -r $demo/pool/$vault/* --password-file $demo/recovery-key snapshots

  Stop the agent with: kill \$(scripts/dev/node -p 'JSON.parse(require("node:fs").readFileSync("$AGENT_HOME/run/rdmonitor.lock")).rdmonitor')
TEXT
