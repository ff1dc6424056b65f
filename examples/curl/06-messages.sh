#!/bin/sh
# Messages: send, look, cancel, and try out.
. "$(dirname "$0")/lib.sh"

step "Send a message"
api POST /api/v1/messages/send '{"from":"Shop <news@co.com>","to":["ok@example.org"],"subject":"Hello","text":"Hello!"}'
message=$(field id)

step "Send a batch: a bad item does not fail the good one"
api POST /api/v1/messages/batch '{"batch_id":"spring","messages":[
  {"from":"news@co.com","to":["ok1@example.org"],"subject":"Hello","text":"Hello!"},
  {"from":"news@co.com","to":["not an address"],"subject":"Hello","text":"Hello!"}]}'

step "What became of it: the sandbox's receivers take mail to ok@"
until_it_has '"status":"delivered"' GET "/api/v1/messages/$message"
api GET "/api/v1/messages/$message"

step "All messages of the batch"
api GET "/api/v1/messages?batch_id=spring&limit=1"

step "Schedule one, and cancel it"
tomorrow=$(python3 -c 'from datetime import *; print((datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ"))')
api POST /api/v1/messages/send \
    "{\"from\":\"news@co.com\",\"to\":[\"ok@example.org\"],\"subject\":\"Later\",\"text\":\"Hi\",\"send_at\":\"$tomorrow\"}"
later=$(field id)
api POST "/api/v1/messages/$later/cancel"

step "What would happen? By the published policy, without sending anything"
api POST /api/v1/messages/simulate-delivery \
    '{"from":"news@co.com","to":["bounce@example.org"],"subject":"Hello","text":"Hello!"}'
