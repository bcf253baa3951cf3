# shellcheck shell=bash
# Scans the running site in staging with ZAP's baseline, which only reads. Needs SITE_URL.
. "$(dirname "$0")/lib.sh"

stage="$(stage_of "$1")"
if [ "$stage" != staging ]; then
  echo "Only staging is scanned."
  exit 0
fi
[ -n "${SITE_URL:-}" ] || fail "set SITE_URL to the address of staging"
mkdir -p out
chmod 777 out
# Warnings don't fail it; failures, such as a missing content security policy that was made one, do.
docker run --rm --volume "$PWD/out:/zap/wrk" "$ZAP_IMAGE" zap-baseline.py -t "$SITE_URL" -I -r zap.html -J zap.json
