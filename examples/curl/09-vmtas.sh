#!/bin/sh
# vMTAs: an address to send from, warmed up.
. "$(dirname "$0")/lib.sh"

step "Add an address that has never sent mail"
api POST /api/v1/vmtas "{\"name\":\"new-$RUN\",\"ip_address\":\"2001:db8::$((RUN % 9999))\",
  \"ehlo_domain\":\"new.co.com\",\"warmup\":{\"schedule\":\"standard\"}}"
vmta=$(field id)

step "All vMTAs"
api GET "/api/v1/vmtas?sort=name&limit=1"

step "One vMTA"
api GET "/api/v1/vmtas/$vmta"

step "Another EHLO name"
api PUT "/api/v1/vmtas/$vmta" '{"ehlo_domain":"mx9.co.com"}'

step "Pause it"
api POST "/api/v1/vmtas/$vmta/pause" '{"reason":"maintenance"}'

step "Resume it"
api POST "/api/v1/vmtas/$vmta/resume"

step "How far its warm-up has come"
api GET "/api/v1/vmtas/$vmta/warmup"

step "What waits for it"
api GET "/api/v1/vmtas/$vmta/queue"

step "Delete it"
api DELETE "/api/v1/vmtas/$vmta"
