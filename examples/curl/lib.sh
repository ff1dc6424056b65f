# What the scripts share. They need curl, and python3 to lay out JSON.
#
#   POSTMTA_URL      where the service is; that of "make run" if absent
#   POSTMTA_API_KEY  a key with every scope; that of "make run" if absent
#   RUN              makes names unique, so that a script can be run again

set -eu
cd "$(dirname "$0")/../.."
: "${POSTMTA_URL:=http://127.0.0.1:8080}"
: "${POSTMTA_API_KEY:=$(sed -n 's/.*"api_key":"\([^"]*\)".*/\1/p' var/demo/demo-account.json)}"
: "${RUN:=$$}"
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

step() { printf '\n# %s\n' "$1"; }

# api METHOD PATH [BODY]: as the account of the key, with JSON.
api() {
    if [ $# -gt 2 ]; then
        call "$1" "$2" -H "X-API-Key: $POSTMTA_API_KEY" -H "Content-Type: ${TYPE:-application/json}" --data-binary "$3"
    else
        call "$1" "$2" -H "X-API-Key: $POSTMTA_API_KEY"
    fi
}

# call METHOD PATH [CURL OPTIONS]: show the command, the status and the answer, which $answer keeps.
call() {
    method=$1 path=$2
    shift 2
    printf '$ curl -X %s "$POSTMTA_URL%s"' "$method" "$path"
    for word in "$@"; do
        case $word in
            -*) printf ' %s' "$word" ;;
            "X-API-Key: $POSTMTA_API_KEY") printf ' "X-API-Key: $POSTMTA_API_KEY"' ;;
            *) printf " '%s'" "$word" ;;
        esac
    done
    got=$(curl -sS -o "$answer" -w '%{http_code} %{content_type}' -X "$method" "$POSTMTA_URL$path" "$@")
    status=${got%% *}
    printf '\nHTTP %s\n' "${got% }"
    case $got in
        *json*) python3 -m json.tool --no-ensure-ascii "$answer" | head -n "${SHOW:-100000}" ;;
        *image/*) printf '(%s octets)\n' "$(wc -c <"$answer" | tr -d ' ')" ;;
        *) [ ! -s "$answer" ] || head -c 400 "$answer" | head -n 8 && echo ;;
    esac
}

# field NAME: the first field of this name in the last answer.
field() { grep -o "\"$1\":\"[^\"]*\"" "$answer" | head -n 1 | cut -d '"' -f 4; }

# until_it_has TEXT METHOD PATH: ask silently until the answer holds the text, half a minute and more.
until_it_has() {
    for _ in $(seq 90); do
        curl -sS -o "$answer" -X "$2" "$POSTMTA_URL$3" -H "X-API-Key: $POSTMTA_API_KEY"
        ! grep -q "$1" "$answer" || return 0
        sleep 0.5
    done
    echo "no $1 in the answer of $3" >&2
    return 1
}
