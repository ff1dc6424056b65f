#!/bin/sh
# Analytics: what became of the mail.
. "$(dirname "$0")/lib.sh"

step "In numbers"
api GET "/api/v1/analytics/summary?period=7d"

step "By day"
api GET "/api/v1/analytics/timeseries?period=7d&interval=day&tz=Europe/Berlin"

step "By receiving domain"
api GET "/api/v1/analytics/breakdown?by=recipient_domain&period=7d&limit=2"

step "By provider"
api GET "/api/v1/analytics/isp?period=7d"

step "Against the days before"
api GET "/api/v1/analytics/trend?period=7d"

step "Why mail bounced, in the servers' own words"
api GET "/api/v1/analytics/bounce-reasons?period=7d"

step "All of it in one document"
api GET "/api/v1/analytics/report?period=24h"

step "The same as a page"
api GET "/api/v1/analytics/report?period=24h&format=html"

step "For a spreadsheet"
api GET "/api/v1/analytics/export?period=24h"
