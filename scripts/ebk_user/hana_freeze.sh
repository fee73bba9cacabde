#!/bin/sh
# Brings SAP HANA to a still point. Edit the settings, in hana_unfreeze.sh too; the rest is the agent's own code.

# A user of SYSTEMDB with BACKUP ADMIN and CATALOG READ. Empty: a host without SAP HANA is skipped; on a host with it the freeze
# fails and says so.
HANA_USER=''
# What `agentcli encpwd` prints.
HANA_PASSWORD=''
# Empty: 127.0.0.1.
HANA_HOST=''
# Two digits; empty: 00.
INSTANCE_NUMBER=''
# Of SYSTEMDB; empty: 3 INSTANCE_NUMBER 13.
HANA_PORT=''
# Where it is set, a system of another name is refused.
DB_SID=''
# A file of certificates (PEM) by which the server must prove itself; needed unless HOST is this host. Empty: the line is not encrypted.
HANA_CA=''

# shellcheck source=/dev/null
. "$1/bin/agent_func.sh"
if [ -z "$HANA_USER" ] && ! running hdbnameserver hdbdaemon; then
  absent "no SAP HANA on this host: nothing to freeze"
fi
freeze_database hana << END
user=$HANA_USER
password=$HANA_PASSWORD
host=$HANA_HOST
instance=$INSTANCE_NUMBER
port=$HANA_PORT
sid=$DB_SID
ca=$HANA_CA
END
finish $?
