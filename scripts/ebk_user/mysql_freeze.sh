#!/bin/sh
# Brings MySQL and MariaDB to a still point. Edit the settings, in mysql_unfreeze.sh too; the rest is the agent's own code.

# Empty: a host without MySQL is skipped; on a host with it the freeze fails and says so.
MYSQL_USER=''
# What `agentcli encpwd` prints.
MYSQL_PASSWORD=''
# Empty: where MySQL usually puts it.
MYSQL_SOCKET=''
# Instead of the socket.
MYSQL_HOST=''
# With the host; empty: 3306.
MYSQL_PORT=''
# A file of certificates (PEM) by which HOST must prove itself; needed unless it is this host. Certificates that MySQL makes for itself name
# no host: give its address then.
MYSQL_CA=''
# Refuse to freeze while a query has been running for longer (s); empty: 10.
MYSQL_LONGEST_QUERY=''
# Give up when the locks are not granted by then (s); empty: 3.
MYSQL_LONGEST_WAIT=''

# shellcheck source=/dev/null
. "$1/bin/agent_func.sh"
if [ -z "$MYSQL_USER" ] && ! running mysqld mariadbd; then
  absent "no MySQL or MariaDB on this host: nothing to freeze"
fi
freeze_database mysql << END
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
