#!/bin/sh
# Credits: balances, use, and alerts.
. "$(dirname "$0")/lib.sh"

step "All balances"
api GET /api/v1/credits

step "One of them"
api GET /api/v1/credits/email

step "Spend some; the same reference again spends nothing more"
api POST /api/v1/credits/consume "{\"type\":\"email\",\"amount\":3,\"reference\":\"elsewhere-$RUN\"}"
api POST /api/v1/credits/consume "{\"type\":\"email\",\"amount\":3,\"reference\":\"elsewhere-$RUN\"}"

step "What was used, by day"
api GET "/api/v1/credits/usage?period=2d&type=email"

step "What can be bought"
api GET /api/v1/credits/packages

step "Be told when they run low"
api POST /api/v1/credits/alerts "{\"type\":\"email\",\"threshold\":$RUN}"
alert=$(field id)

step "All alerts"
api GET /api/v1/credits/alerts

step "Delete the alert"
api DELETE "/api/v1/credits/alerts/$alert"
