# shellcheck shell=sh
# What freeze and unfreeze scripts source:   . "$1/bin/agent_func.sh"
#
# The contract (that of the CBR agent):
#   $1           the agent's root directory
#   $2           an id, unique for this freeze
#   RESULT_FILE  the script writes 0 (worked) or 1 (failed) into it, and ends with that same exit code: finish does both
#   absent       a script whose application is not on this host has nothing to do and answers 0; a freeze script that says so by way of
#                absent is left out when the agent tells what it froze
#   limit        30 s for a script; then it is killed, and all it started with it
# A script that is killed, or says anything but 0 in either place, fails the freeze: everything is thawed, and the backup is marked as not
# application-consistent, or fails, as its plan says. An unfreeze script is also run when nothing was frozen; it has to answer 0 then.
#
# Gives: Log, finish (also as ExitWithResult), absent, running, freeze_database, unfreeze_database, decrypt_password (also as DecryptPassword);
# AGENT_ROOT_PATH, PID, LOG_PATH, TMP_PATH, RESULT_FILE. For sh and bash alike.

AGENT_ROOT_PATH=${AGENT_ROOT_PATH:-$1}
PID=${PID:-${2:-by-hand}}
# shellcheck disable=SC2034 # for the scripts that source this
LOG_PATH=$AGENT_ROOT_PATH/log
# shellcheck disable=SC2034
TMP_PATH=$AGENT_ROOT_PATH/tmp
stillpoint_absent=
# Whoever runs a script by hand reads its exit code.
RESULT_FILE=${RESULT_FILE:-/dev/null}

# Log LEVEL text, Log "[LEVEL] text", Log "LEVEL: text" or Log "text"; LEVEL is INFO or ERROR. A line in log/thirdparty.log. While the agent
# freezes nothing may be written to a disk: then the agent takes the line and writes it after the thaw.
Log() {
  case $1 in
    INFO | ERROR) stillpoint_level=$1; shift; stillpoint_text=$* ;;
    '[INFO]'* | '[ERROR]'*) stillpoint_level=${1#'['}; stillpoint_level=${stillpoint_level%%']'*}; stillpoint_text=${1#*']'} ;;
    INFO:* | ERROR:*) stillpoint_level=${1%%:*}; stillpoint_text=${1#*:} ;;
    *) stillpoint_level=INFO; stillpoint_text=$* ;;
  esac
  stillpoint_text=${stillpoint_text#[: ]}
  stillpoint_text=${stillpoint_text# }
  if [ -n "$STILLPOINT_FREEZE_FOLDER" ]; then
    printf '[%s] %s\n' "$stillpoint_level" "$stillpoint_text" >&2
    return 0
  fi
  printf '%s: %s\n' "$stillpoint_level" "$stillpoint_text" >&2
  # Root follows no link here, for others may write this directory.
  printf '%s [%s] [%s] [%s] %s\n' "$(date +%y-%m-%d--%H:%M:%S)" "$$" "$(id -un)" "$stillpoint_level" "$stillpoint_text" |
    dd of="$LOG_PATH/thirdparty.log" oflag=append,nofollow conv=notrunc status=none 2> /dev/null || :
}

# finish 0|1: tells the agent the result and ends the script.
finish() {
  [ "$1" = 0 ] || { set -- 1; stillpoint_absent=; }
  echo "$1$stillpoint_absent" > "$RESULT_FILE" && chmod 666 "$RESULT_FILE"
  exit "$1"
}

ExitWithResult() {
  finish "$1"
}

# absent text…: the application is not on this host. Worked, and nothing was frozen; ends the script.
absent() {
  Log INFO "$*"
  stillpoint_absent=' absent'
  finish 0
}

# running NAME…: whether a process of one of these names runs on this host, or in a container there; freeze_database looks closer.
running() {
  for stillpoint_file in /proc/[0-9]*/comm; do
    stillpoint_comm=
    read -r stillpoint_comm 2> /dev/null < "$stillpoint_file" || continue
    for stillpoint_name in "$@"; do
      [ "$stillpoint_comm" != "$stillpoint_name" ] || return 0
    done
  done
  return 1
}

# freeze_database NAME, unfreeze_database NAME: the agent's own way to do it. Settings come on standard input, a line name=value each; passwords
# as `agentcli encpwd` prints them. A process of its own holds the database; it thaws by itself at the end of its limit (60 s by hand).
freeze_database() {
  stillpoint_database "$1" freeze || return
  # Nothing holds it: no server was found, and no user is set.
  [ -z "$STILLPOINT_FREEZE_FOLDER" ] || [ -e "$STILLPOINT_FREEZE_FOLDER/$STILLPOINT_FREEZE_PAIR@$1.json" ] || stillpoint_absent=' absent'
}

unfreeze_database() {
  # Users wait: what holds nothing is not asked for.
  if [ -n "$STILLPOINT_FREEZE_FOLDER" ] && [ ! -e "$STILLPOINT_FREEZE_FOLDER/$STILLPOINT_FREEZE_PAIR@$1.json" ]; then
    Log INFO "$1 is not frozen: nothing to thaw"
    return 0
  fi
  stillpoint_database "$1" unfreeze
}

stillpoint_database() {
  stillpoint_said=$(stillpoint_rdfreeze database "$1" "$2" "$PID" 2>&1)
  stillpoint_status=$?
  # A loop in a pipe loses its variables, and needs none of them.
  printf '%s\n' "$stillpoint_said" | while IFS= read -r stillpoint_line; do
    [ -z "$stillpoint_line" ] || Log "$stillpoint_line"
  done
  return "$stillpoint_status"
}

stillpoint_rdfreeze() {
  stillpoint_program=$AGENT_ROOT_PATH/bin/rdfreeze
  # In a checkout bin/agent_func.sh is a link; what it leads to lies beside the program.
  [ -x "$stillpoint_program" ] || stillpoint_program=$(dirname "$(readlink -f "$AGENT_ROOT_PATH/bin/agent_func.sh")")/rdfreeze
  if [ ! -x "$stillpoint_program" ]; then
    echo "[ERROR] there is no $AGENT_ROOT_PATH/bin/rdfreeze. Is the first argument the directory of the agent?" >&2
    return 1
  fi
  AGENT_HOME=$AGENT_ROOT_PATH "$stillpoint_program" "$@"
}

# decrypt_password CIPHERTEXT: prints what `agentcli encpwd` encrypted. Give it to a program on a pipe or in a file that only root may read,
# never as an argument: everybody may read those.
decrypt_password() {
  printf '%s\n' "$1" | stillpoint_rdfreeze database decrypt
}

DecryptPassword() {
  decrypt_password "$1"
}
