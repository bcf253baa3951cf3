# shellcheck shell=bash
# Builds every service and runs its tests: the stage `test` of its Dockerfile.
. "$(dirname "$0")/lib.sh"

for service in $(services); do
  echo "== $service"
  docker build --target test "sources/$service"
done
