#!/bin/sh
# Lets SAP HANA run on. The settings are those of hana_freeze.sh.

HANA_USER=''
HANA_PASSWORD=''
HANA_HOST=''
INSTANCE_NUMBER=''
HANA_PORT=''
DB_SID=''
HANA_CA=''

# shellcheck source=/dev/null
. "$1/bin/agent_func.sh"
unfreeze_database hana << END
user=$HANA_USER
password=$HANA_PASSWORD
host=$HANA_HOST
instance=$INSTANCE_NUMBER
port=$HANA_PORT
sid=$DB_SID
ca=$HANA_CA
END
finish $?
