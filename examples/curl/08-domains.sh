#!/bin/sh
# Domains: claim, publish, verify, rotate keys.
. "$(dirname "$0")/lib.sh"

step "Claim a domain; its keys are made, and the records to publish are shown"
api POST /api/v1/domains "{\"domain\":\"shop-$RUN.example\"}"
domain=$(field id)

step "All domains"
api GET "/api/v1/domains?sort=domain&limit=1"

step "One domain"
api GET "/api/v1/domains/$domain"

step "Look at its DNS; that of make run has every record we ask for"
api POST "/api/v1/domains/$domain/verify"

step "Rotate its DKIM keys: published, verified, then switched"
api POST "/api/v1/domains/$domain/rotate-dkim" "{\"dkim_selector\":\"r$RUN\"}"

step "A logo beside the mail (BIMI)"
api PUT "/api/v1/domains/$domain/bimi" "{\"logo_url\":\"https://shop-$RUN.example/logo.svg\"}"

step "Give it up"
api DELETE "/api/v1/domains/$domain"
