#!/usr/bin/env bash
# Run once by the PostgreSQL image, when its data folder is new: a database and a login for Dagster's
# records and for the warehouse, neither of which can see the other's.
set -euo pipefail

create() {
    psql --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" \
        --set name="$1" --set password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

create dagster "$DAGSTER_PASSWORD"
create okr_sync "$OKR_SYNC_PASSWORD"
