#!/bin/sh
# Authentication: an account of one's own, and who one is.
. "$(dirname "$0")/lib.sh"
email="newcomer-$RUN@example.com"

step "Register a user with an organization"
call POST /api/v1/auth/register -H "Content-Type: application/json" \
    --data-binary "{\"email\":\"$email\",\"password\":\"correct horse battery staple\",\"organization\":\"Newcomers $RUN\"}"

step "Log in"
call POST /api/v1/auth/login -H "Content-Type: application/json" \
    --data-binary "{\"email\":\"$email\",\"password\":\"correct horse battery staple\"}"
token=$(field access_token) refresh=$(field refresh_token)

step "Who am I? By the access token"
call GET /api/v1/auth/me -H "Authorization: Bearer $token"

step "Exchange the refresh token for new ones"
call POST /api/v1/auth/refresh -H "Content-Type: application/json" --data-binary "{\"refresh_token\":\"$refresh\"}"
refresh=$(field refresh_token)

step "Log out"
call POST /api/v1/auth/logout -H "Content-Type: application/json" --data-binary "{\"refresh_token\":\"$refresh\"}"

step "A wrong password is not told from an unknown address"
call POST /api/v1/auth/login -H "Content-Type: application/json" \
    --data-binary "{\"email\":\"$email\",\"password\":\"wrong\"}"
