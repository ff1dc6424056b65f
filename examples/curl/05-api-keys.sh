#!/bin/sh
# API keys: make, rotate, delete.
. "$(dirname "$0")/lib.sh"

step "Make a key; its secret is shown this once"
api POST /api/v1/api-keys '{"name":"shop","scopes":["messages:send","messages:read"]}'
key=$(field id)

step "All keys"
api GET "/api/v1/api-keys?limit=2"

step "One key"
api GET "/api/v1/api-keys/$key"

step "Another secret; the old one works for an hour beside it"
api POST "/api/v1/api-keys/$key/rotate" '{"overlap_seconds":3600}'

step "Delete it"
api DELETE "/api/v1/api-keys/$key"

step "A scope that does not exist is named"
api POST /api/v1/api-keys '{"name":"shop","scopes":["messages:sing"]}'
