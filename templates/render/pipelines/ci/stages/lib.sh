# shellcheck shell=bash
# Functions of all stages. Every pipeline runs the same stages: `bash ci/stages/STAGE.sh [TAG]`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Tools run as containers, pinned by digest.
export TRIVY_IMAGE="aquasec/trivy:0.73.0@sha256:7cced7cae583819fc7806d4cbc0dbbc7cad18b99f7d3e235192e6da8c091045c"
export SONAR_IMAGE="sonarsource/sonar-scanner-cli@sha256:a3f4215076706c95a17a68c19322ee916e40a3acd081a8c1a1e839e0194afa57"
export ZAP_IMAGE="ghcr.io/zaproxy/zaproxy@sha256:781a2bdaea47324e7bab583e2263f21d257b0aee61ed51521a5be45f5f5081ef"

fail() {
  echo "error: $*" >&2
  exit 1
}

# Names of all services with sources.
services() {
  local file
  for file in sources/*/Dockerfile; do
    [ -e "$file" ] || fail "there are no sources: run \`acme render --only services\`"
    basename "$(dirname "$file")"
  done
}

# The stage of a release, `dev`, `staging` or `prod`: the end of its tag, `v1.2.3.staging`.
stage_of() {
  [[ "$1" =~ ^v[0-9]+\.[0-9]+\.[0-9]+\.(dev|staging|prod)$ ]] || fail "\`$1\` is not a release: use v1.2.3.dev, v1.2.3.staging or v1.2.3.prod"
  echo "${BASH_REMATCH[1]}"
}

# The environment of a stage, of which the stack has a folder; fails if it has none.
environment_of() {
  local names name
  case "$1" in
    dev) names=(dev development) ;;
    staging) names=(staging stage) ;;
    *) names=(prod production default) ;;
  esac
  for name in "${names[@]}"; do
    if [ -f "ci/environments/$name/stack.env" ]; then
      echo "$name"
      return
    fi
  done
  return 1
}

# The stages that the stack has environments for, in the order of promotion.
stages() {
  local stage
  for stage in dev staging prod; do
    if environment_of "$stage" > /dev/null; then echo "$stage"; fi
  done
}

# The stage before this one; nothing for the first.
stage_before() {
  local stage before=""
  for stage in $(stages); do
    if [ "$stage" = "$1" ]; then
      echo "$before"
      return
    fi
    before="$stage"
  done
  fail "the stack has no environment for the stage $1"
}

# Selects the environment of a stage.
select_environment() {
  environment="$(environment_of "$1")" || fail "the stack has no environment for the stage $1"
  AWS_REGION="$(setting "$environment" REGION)"
  export AWS_REGION
}

# A setting of an environment.
setting() {
  sed -n "s/^$2=//p" "ci/environments/$1/stack.env"
}

# The image repository of a service in an environment.
image_of() {
  local uri
  uri="$(setting "$1" "IMAGE_$2")"
  [ -n "$uri" ] || fail "the stack has no image repository for $2: add it to \`registries\`"
  echo "$uri"
}

# The commit of the sources: images of all environments have it as their tag.
commit() {
  git rev-parse HEAD
}

# The digest of the image of this commit in an environment; nothing if there is none.
digest_of() {
  local uri digest
  uri="$(image_of "$1" "$2")"
  digest="$(aws ecr describe-images --region "$(setting "$1" REGION)" --registry-id "$(setting "$1" ACCOUNT)" \
    --repository-name "${uri#*/}" --query "imageDetails[?imageTags && contains(imageTags, '$(commit)')].imageDigest | [0]" --output text)"
  if [ "$digest" != None ]; then echo "$digest"; fi
}

# Signs in to the registry of an environment.
sign_in() {
  local registry
  registry="$(setting "$1" REGISTRY)"
  aws ecr get-login-password --region "$(setting "$1" REGION)" | docker login --username AWS --password-stdin "$registry"
}

trivy() {
  docker run --rm --volume "$PWD:/source" --workdir /source --env TRIVY_CACHE_DIR=/source/out/trivy "$TRIVY_IMAGE" "$@"
}
