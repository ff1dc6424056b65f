#!/bin/sh
# What this repository's CI runs on each change: every proof that stands before a publication, without any database.
# It ends with 0 when all of them hold, with 1 when one does not.
set -eu
exec postmta policy verify "$(dirname "$0")"
