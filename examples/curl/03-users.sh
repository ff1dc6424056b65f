#!/bin/sh
# Users: invite somebody, and give a role.
. "$(dirname "$0")/lib.sh"
email="ben-$RUN@example.com"

step "Invite somebody into the organization"
api POST /api/v1/users/invitations "{\"email\":\"$email\",\"role\":\"viewer\"}"
token=$(field token)

step "Who was invited registers"
call POST /api/v1/auth/register -H "Content-Type: application/json" \
    --data-binary "{\"email\":\"$email\",\"password\":\"correct horse battery staple\",\"invitation\":\"$token\"}"
user=$(field id)

step "Everybody in the organization, by address"
api GET "/api/v1/users?sort=email"

step "One user"
api GET "/api/v1/users/$user"

step "Another role"
api PUT "/api/v1/users/$user/role" '{"role":"developer"}'

step "Who changed what? The audit log knows"
api GET "/api/v1/audit?limit=1&target_id=$user"

step "Remove the user"
api DELETE "/api/v1/users/$user"
