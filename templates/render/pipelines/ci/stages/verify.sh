# shellcheck shell=bash
# Waits until the pods of every service run the release: VERIFY_SECONDS at most, 600 by default. With SITE_URL, the site must answer, too.
. "$(dirname "$0")/lib.sh"

tag="$1"
stage="$(stage_of "$tag")"
select_environment "$stage"
cluster="$(setting "$environment" CLUSTER)"
deadline=$((SECONDS + ${VERIFY_SECONDS:-600}))

# The number of pods, and of those that are ready with this digest.
count_pods() {
  kubectl get pods --all-namespaces --selector "app.kubernetes.io/name=$1" --output json | jq --arg digest "$2" --raw-output '
    [.items[] | select(.metadata.deletionTimestamp == null)]
    | (length | tostring) + " " + ([.[] | select(any(.status.containerStatuses[]?; .ready and (.imageID | endswith($digest))))] | length | tostring)'
}

if [ -n "$cluster" ]; then
  KUBECONFIG="$(mktemp)"
  export KUBECONFIG
  trap 'rm -f "$KUBECONFIG"' EXIT
  aws eks update-kubeconfig --region "$(setting "$environment" REGION)" --name "$cluster" > /dev/null
  for service in $(services); do
    digest="$(digest_of "$environment" "$service")"
    [ -n "$digest" ] || fail "$environment has no image of $service for this commit"
    until read -r total updated <<< "$(count_pods "$service" "$digest")" && [ "${total:-0}" -gt 0 ] && [ "$total" = "$updated" ]; do
      [ "$SECONDS" -lt "$deadline" ] || fail "$service: ${updated:-0} of ${total:-0} pods run $digest"
      sleep 5
    done
    echo "$service runs $digest"
  done
fi
if [ -n "${SITE_URL:-}" ]; then
  curl --fail --silent --show-error --location --max-time 10 --retry 10 --retry-all-errors --output /dev/null "$SITE_URL"
  echo "$SITE_URL answers"
elif [ -z "$cluster" ]; then
  fail "nothing to verify: the stack has no cluster, and SITE_URL is not set"
fi
