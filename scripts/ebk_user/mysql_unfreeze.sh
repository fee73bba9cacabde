#!/bin/sh
# Lets MySQL and MariaDB run on. The settings are those of mysql_freeze.sh.

MYSQL_USER=''
MYSQL_PASSWORD=''
MYSQL_SOCKET=''
MYSQL_HOST=''
MYSQL_PORT=''
MYSQL_CA=''
MYSQL_LONGEST_QUERY=''
MYSQL_LONGEST_WAIT=''

# shellcheck source=/dev/null
. "$1/bin/agent_func.sh"
unfreeze_database mysql << END
user=$MYSQL_USER
password=$MYSQL_PASSWORD
socket=$MYSQL_SOCKET
host=$MYSQL_HOST
port=$MYSQL_PORT
ca=$MYSQL_CA
longest-query=$MYSQL_LONGEST_QUERY
longest-wait=$MYSQL_LONGEST_WAIT
END
finish $?
