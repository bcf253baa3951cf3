# shellcheck shell=bash
# Analyses the sources with SonarQube and waits for its quality gate. Needs SONAR_HOST_URL and SONAR_TOKEN.
. "$(dirname "$0")/lib.sh"

[ -n "${SONAR_HOST_URL:-}" ] || fail "set SONAR_HOST_URL to the SonarQube server"
[ -n "${SONAR_TOKEN:-}" ] || fail "set SONAR_TOKEN to a token for the project"
docker run --rm --env SONAR_HOST_URL --env SONAR_TOKEN --volume "$PWD:/usr/src" "$SONAR_IMAGE" \
  -Dsonar.projectKey="${SONAR_PROJECT_KEY:-acme-stack}" -Dsonar.sources=sources -Dsonar.exclusions='**/node_modules/**,**/dist/**' \
  -Dsonar.python.version=3.13 -Dsonar.qualitygate.wait=true
