#!/bin/sh
# Brings SQL Server to a still point. Edit the settings, in mssql_unfreeze.sh too; the rest is the agent's own code.

# Empty: a host without SQL Server is skipped; on a host with it the freeze fails and says so.
MSSQL_USER=''
# What `agentcli encpwd` prints.
MSSQL_PASSWORD=''
# Empty: 127.0.0.1.
MSSQL_HOST=''
# Empty: 1433.
MSSQL_PORT=''
# A file of certificates (PEM) by which the server must prove itself; needed unless HOST is this host.
MSSQL_CA=''
# A directory where the server leaves a file at each thaw, named by the freeze, with what RESTORE … WITH METADATA_ONLY needs. The agent
# removes none of them. Empty: databases are attached.
MSSQL_METADATA=''

# shellcheck source=/dev/null
. "$1/bin/agent_func.sh"
if [ -z "$MSSQL_USER" ] && ! running sqlservr; then
  absent "no SQL Server on this host: nothing to freeze"
fi
freeze_database mssql << END
user=$MSSQL_USER
password=$MSSQL_PASSWORD
host=$MSSQL_HOST
port=$MSSQL_PORT
ca=$MSSQL_CA
metadata=$MSSQL_METADATA
END
finish $?
