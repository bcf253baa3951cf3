#!/usr/bin/env bash
# Stands in for GitHub's program `gh` in the tests of the workflows. It has the subcommands and options that they use, fails on any other one as gh does,
# and answers from files in $GH_STUB: answers of the REST API by their path, issues, and artifacts by run and name. Each call is a line of $GH_STUB/calls.
set -euo pipefail
echo "$*" >> "$GH_STUB/calls"

fail() {
    echo "$1" >&2
    exit 1
}

# Reads options with a value ($1, separated by blanks) and without one ($2) into the map `given`, and other arguments into the list `rest`.
declare -A given=()
rest=()
parse() {
    local values=" $1 " flags=" $2 "
    shift 2
    while [ $# -gt 0 ]; do
        case $1 in
            -*)
                if [[ $values == *" $1 "* ]]; then
                    [ $# -gt 1 ] || fail "flag needs an argument: $1"
                    given[$1]=$2
                    shift
                elif [[ $flags == *" $1 "* ]]; then
                    given[$1]=true
                else
                    fail "unknown flag: $1"
                fi
                ;;
            *) rest+=("$1") ;;
        esac
        shift
    done
}
has_repository() {
    [ "${given[--repo]:-}" = "$GITHUB_REPOSITORY" ] || fail "no such repository: ${given[--repo]:-none}"
}
# What --jq prints: scalars as they are, nothing for null.
filter() {
    jq -r "${given[--jq]:-.} | if . == null then \"\" else . end"
}

[ -n "${GH_TOKEN:-}" ] || fail "To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable."
case "$1 ${2:-}" in
    "api "*)
        parse "--jq --method -F" "--paginate --silent" "${@:2}"
        [ "${#rest[@]}" = 1 ] || fail "accepts 1 arg(s), received ${#rest[@]}"
        if [ -n "${given[-F]:-}" ] || [ -n "${given[--method]:-}" ]; then
            # A body from a file. Without a method, fields make it a POST.
            [ -z "${given[--paginate]:-}" ] || fail "the \`--paginate\` option is not supported for non-GET requests"
            [ -s "${given[-F]#body=@}" ] || fail "no such file: ${given[-F]}"
            exit 0
        fi
        answer="$GH_STUB/${rest[0]}"
        [ -f "$answer" ] || fail "gh: Not Found (HTTP 404): ${rest[0]}"
        filter < "$answer"
        ;;
    "run download")
        parse "--repo --name --dir" "" "${@:3}"
        has_repository
        artifact="$GH_STUB/artifacts/${rest[0]}/${given[--name]}"
        [ -d "$artifact" ] || fail "no artifact matches any of the names or patterns provided"
        cp "$artifact"/* "${given[--dir]}"
        ;;
    "issue list")
        parse "--repo --state --app --author --limit --json --jq" "" "${@:3}"
        has_repository
        [ -z "${given[--app]:-}" ] || [ -z "${given[--author]:-}" ] || fail "specify only \`--author\` or \`--app\`"
        author=${given[--author]:-}
        [ -z "${given[--app]:-}" ] || author="app/${given[--app]}"
        for field in ${given[--json]//,/ }; do
            case $field in number | title | body | author | state) ;; *) fail "Unknown JSON field: \"$field\"" ;; esac
        done
        # The author of an issue of an app is app/NAME: its login in the browser, NAME[bot], matches none.
        jq --arg author "$author" --arg state "${given[--state]:-open}" --arg fields "${given[--json]}" --argjson limit "${given[--limit]:-30}" \
            '[.[] | select(($author == "" or .author == $author) and .state == $state)][:$limit]
             | map(with_entries(select(.key as $key | $fields | split(",") | index($key))))' "$GH_STUB/issues" | filter
        ;;
    "issue create")
        parse "--repo --title --body-file" "" "${@:3}"
        has_repository
        jq --arg title "${given[--title]}" --rawfile body "${given[--body-file]}" \
            '[{ number: (length + 12), title: $title, body: $body, author: "app/github-actions", state: "open" }] + .' "$GH_STUB/issues" > "$GH_STUB/new"
        mv "$GH_STUB/new" "$GH_STUB/issues"
        ;;
    "issue edit" | "issue close")
        parse "--repo --body-file --comment" "" "${@:3}"
        has_repository
        jq -e --argjson number "${rest[0]}" 'any(.number == $number and .state == "open")' "$GH_STUB/issues" > "$GH_STUB/new" || fail "no open issue ${rest[0]}"
        state=open
        [ "$2" = edit ] || state=closed
        jq --argjson number "${rest[0]}" --arg state "$state" 'map(if .number == $number then .state = $state else . end)' "$GH_STUB/issues" > "$GH_STUB/new"
        mv "$GH_STUB/new" "$GH_STUB/issues"
        ;;
    *) fail "unknown command \"$1 ${2:-}\"" ;;
esac
