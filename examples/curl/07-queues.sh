#!/bin/sh
# Queues: what waits, and holding it.
. "$(dirname "$0")/lib.sh"

step "Mail that its receiver defers waits in a queue of its own"
api POST /api/v1/messages/send '{"from":"news@co.com","to":["defer@slow.example"],"subject":"Hello","text":"Hello!"}'
until_it_has 'co@slow.example' GET /api/v1/queues

step "In a few numbers"
api GET /api/v1/queues/status

step "Each queue"
api GET "/api/v1/queues?domain=slow.example"

step "Hold it, with a reason"
api POST "/api/v1/queues/co%40slow.example/hold" '{"reason":"their postmaster asked us to wait"}'

step "Release it"
api POST "/api/v1/queues/co%40slow.example/release"

step "Try everything in it now"
api POST "/api/v1/queues/co%40slow.example/flush"
