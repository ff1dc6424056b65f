#!/bin/sh
# Billing: plans and invoices. An organization of its own, since plans change.
. "$(dirname "$0")/lib.sh"
email="buyer-$RUN@example.com"
call POST /api/v1/auth/register -H "Content-Type: application/json" \
    --data-binary "{\"email\":\"$email\",\"password\":\"correct horse battery staple\",\"organization\":\"Buyers $RUN\"}"
organization=$(grep -o '"organization":{"id":"[^"]*"' "$answer" | cut -d '"' -f 6)

step "The operator sells it a plan"
api PUT "/api/v1/billing/organizations/$organization/plan" '{"plan":"starter"}'
call POST /api/v1/auth/login -H "Content-Type: application/json" \
    --data-binary "{\"email\":\"$email\",\"password\":\"correct horse battery staple\"}"
token=$(field access_token)
buyer() { if [ $# -gt 2 ]; then call "$1" "$2" -H "Authorization: Bearer $token" -H "Content-Type: application/json" --data-binary "$3"
    else call "$1" "$2" -H "Authorization: Bearer $token"; fi; }

step "The plan, its limits, and what else is offered"
buyer GET /api/v1/billing/plan

step "What invoices shall say"
buyer PUT /api/v1/billing/organization '{"legal_name":"Buyers Ltd","country":"DE"}'
buyer GET /api/v1/billing/organization

step "More, at once: the rest of the period is charged"
buyer POST /api/v1/billing/upgrade '{"plan":"growth"}'

step "Less, at the end of the period"
buyer POST /api/v1/billing/downgrade '{"plan":"starter"}'

step "Buy credits, and pay by hand"
buyer POST /api/v1/billing/checkout '{"package":"email-10k","provider":"manual"}'

step "All invoices"
buyer GET "/api/v1/billing/invoices?limit=1"

step "What was used, by period"
buyer GET /api/v1/billing/usage-rollup
