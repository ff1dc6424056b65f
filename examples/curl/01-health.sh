#!/bin/sh
# Health and metrics: is the service well, and how much does it do?
. "$(dirname "$0")/lib.sh"

step "Well enough to accept mail? No credential is needed"
call GET /health

step "Send requests here? The schema of the database, and nodes behind the newest release"
call GET /health/ready

step "What is measured, for Prometheus"
call GET /metrics

step "The same as JSON"
SHOW=16 call GET "/metrics?format=json"
