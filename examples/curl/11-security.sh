#!/bin/sh
# Security: checks before sending, and blocks that act by themselves.
. "$(dirname "$0")/lib.sh"

step "In a few words"
api GET /api/v1/security/status

step "How this installation greylists"
api GET /api/v1/security/greylisting/config

step "What greylisting did"
api GET "/api/v1/security/greylisting/stats"

step "DNS blocklists"
api GET /api/v1/security/dnsbl/blocklists

step "Is an address listed?"
api POST /api/v1/security/dnsbl/check '{"ip_address":"9.9.9.9"}'

step "Forget the answers"
api POST /api/v1/security/dnsbl/clear-cache '{"ip_address":"9.9.9.9"}'

step "Would it be taken for spam?"
api POST /api/v1/security/spam-score '{"from":"news@co.com","to":["bob@example.org"],"subject":"FREE MONEY!!!","text":"Act now!!!"}'

step "Is there a virus in it? This is the EICAR test file"
api POST /api/v1/security/av-scan '{"files":[{"filename":"eicar.com","content":"WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FSLVNUQU5EQVJELUFOVElWSVJVUy1URVNULUZJTEUhJEgrSCo="}]}'

step "Rules that block by themselves"
api GET "/api/v1/security/auto-block/rules?limit=1"

step "One of our own, so strict that a few bounces suffice; switch it off and on"
api POST /api/v1/security/auto-block/rules "{\"name\":\"strict $RUN\",\"metric\":\"hard_bounce_rate\",
  \"scope\":\"domain\",\"window_minutes\":60,\"threshold\":0.01,\"minimum_volume\":1,\"action\":\"notify\"}"
rule=$(field id)
api POST /api/v1/security/auto-block/toggle "{\"rule_id\":\"$rule\",\"enabled\":false}"
api POST /api/v1/security/auto-block/toggle "{\"rule_id\":\"$rule\",\"enabled\":true}"

step "Mail that bounces sets it off"
api POST /api/v1/messages/send '{"from":"news@co.com","to":["bounce@example.org"],"subject":"Hello","text":"Hello!"}'
until_it_has "strict $RUN" GET /api/v1/security/auto-block/active
api GET /api/v1/security/auto-block/active
block=$(field id)

step "Say that it is settled"
api POST "/api/v1/security/auto-block/$block/resolve" '{"note":"the list was cleaned"}'
