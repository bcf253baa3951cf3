# shellcheck shell=bash
# Publishes the images of a release. The first stage builds, scans and pushes them; later stages copy them, so that the digest stays the same.
. "$(dirname "$0")/lib.sh"

build() {
  local environment="$1" service="$2" image archive
  image="$(image_of "$environment" "$service"):$(commit)"
  archive="out/$service.tar"
  # Provenance would turn the image into an index with another digest.
  docker build --provenance=false --build-arg "VERSION=${tag%.*}" --tag "$image" "sources/$service"
  docker save --output "$archive" "$image"
  # Findings without a fix can't be acted on, and would block every release.
  trivy image --input "$archive" --severity HIGH,CRITICAL --ignore-unfixed --exit-code 1 --no-progress
  trivy image --input "$archive" --format cyclonedx --output "out/$service.cdx.json" --no-progress
  rm -f "$archive"
  docker push "$image"
}

copy() {
  local from="$1" to="$2" service="$3" digest
  digest="$(digest_of "$from" "$service")"
  [ -n "$digest" ] || fail "$from has no image of $service for this commit: release it there first"
  docker buildx imagetools create --prefer-index=false --tag "$(image_of "$to" "$service"):$(commit)" "$(image_of "$from" "$service")@$digest"
}

tag="$1"
stage="$(stage_of "$tag")"
select_environment "$stage"
before="$(stage_before "$stage")"
mkdir -p out
sign_in "$environment"
if [ -n "$before" ]; then
  from="$(environment_of "$before")"
  sign_in "$from"
fi
for service in $(services); do
  # A tag is never moved, so that a repeated run changes nothing.
  if [ -z "$(digest_of "$environment" "$service")" ]; then
    echo "== $service"
    if [ -n "$before" ]; then copy "$from" "$environment" "$service"; else build "$environment" "$service"; fi
  fi
  digest="$(digest_of "$environment" "$service")"
  if [ -n "$before" ] && [ "$digest" != "$(digest_of "$from" "$service")" ]; then
    fail "$service has another image in $from than in $environment"
  fi
  echo "$service $digest"
done
