#!/bin/sh
# Webhooks and tracking: being told what happens.
. "$(dirname "$0")/lib.sh"

step "Register an endpoint; its secret is shown this once"
api POST /api/v1/webhooks '{"url":"https://example.com/hooks","events":["message.delivered","message.bounced"]}'
webhook=$(field id)

step "All endpoints"
api GET "/api/v1/webhooks?limit=1"

step "One endpoint"
api GET "/api/v1/webhooks/$webhook"

step "Ask for other events"
api PUT "/api/v1/webhooks/$webhook" '{"url":"https://example.com/hooks","events":["message.complained"]}'

step "Send a test event: whoever answers, the log shows what was said"
api POST "/api/v1/webhooks/$webhook/test"

step "The delivery log"
api GET "/api/v1/webhooks/$webhook/deliveries"

step "Delete the endpoint"
api DELETE "/api/v1/webhooks/$webhook"

step "The pixel is shown whatever the token"
call GET /track/open/anything.gif

step "A link leads only where a message of ours pointed"
call GET /track/click/anything
