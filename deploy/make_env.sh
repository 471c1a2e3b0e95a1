#!/bin/sh
# Write the secrets of compose.yaml, new ones, to the file .env beside it, which nobody else may read.
set -eu
cd "$(dirname "$0")"
umask 077
secret() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
# With -C a file that is there already is left alone, and this fails.
set -C
cat >.env <<END
DATABASE_PASSWORD=$(secret 24)
STORE_ACCESS_KEY=$(secret 10)
STORE_SECRET_KEY=$(secret 20)
TRACKING_API_TOKEN=$(secret 32)
USER_PASSWORD=$(secret 8)
ADMIN_PASSWORD=$(secret 16)
END
