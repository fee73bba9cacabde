#!/bin/sh
# Brings PostgreSQL to a still point. Edit the settings, in postgres_unfreeze.sh too; the rest is the agent's own code.

# Empty: a host without PostgreSQL is skipped; on a host with it the freeze fails and says so.
PG_USER=''
# What `agentcli encpwd` prints; empty where pg_hba.conf asks for none.
PG_PASSWORD=''
# The directory of the socket; empty: /var/run/postgresql.
PG_SOCKET=''
# Instead of the socket.
PG_HOST=''
# Empty: 5432.
PG_PORT=''
# Any that the user may connect to; empty: postgres.
PG_DATABASE=''
# A file of certificates (PEM) by which HOST must prove itself; needed unless it is this host.
PG_CA=''

# shellcheck source=/dev/null
. "$1/bin/agent_func.sh"
if [ -z "$PG_USER" ] && ! running postgres; then
  absent "no PostgreSQL on this host: nothing to freeze"
fi
freeze_database postgres << END
user=$PG_USER
password=$PG_PASSWORD
socket=$PG_SOCKET
host=$PG_HOST
port=$PG_PORT
database=$PG_DATABASE
ca=$PG_CA
END
finish $?
