#!/bin/sh
# Lets PostgreSQL run on. The settings are those of postgres_freeze.sh.

PG_USER=''
PG_PASSWORD=''
PG_SOCKET=''
PG_HOST=''
PG_PORT=''
PG_DATABASE=''
PG_CA=''

# shellcheck source=/dev/null
. "$1/bin/agent_func.sh"
unfreeze_database postgres << END
user=$PG_USER
password=$PG_PASSWORD
socket=$PG_SOCKET
host=$PG_HOST
port=$PG_PORT
database=$PG_DATABASE
ca=$PG_CA
END
finish $?
