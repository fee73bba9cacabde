#!/bin/sh
# Lets SQL Server run on. The settings are those of mssql_freeze.sh.

MSSQL_USER=''
MSSQL_PASSWORD=''
MSSQL_HOST=''
MSSQL_PORT=''
MSSQL_CA=''
MSSQL_METADATA=''

# shellcheck source=/dev/null
. "$1/bin/agent_func.sh"
unfreeze_database mssql << END
user=$MSSQL_USER
password=$MSSQL_PASSWORD
host=$MSSQL_HOST
port=$MSSQL_PORT
ca=$MSSQL_CA
metadata=$MSSQL_METADATA
END
finish $?
