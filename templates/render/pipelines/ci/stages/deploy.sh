# shellcheck shell=bash
# Writes the digests of a release into the repository that Argo CD watches, and pushes them. `acme rollback --service`, or `git revert` of the commit
# of a service, undoes it.
. "$(dirname "$0")/lib.sh"

tag="$1"
stage="$(stage_of "$tag")"
select_environment "$stage"
remote="${GITOPS_REMOTE:-origin}"
branch="${GITOPS_BRANCH:-main}"
declare -A digests
for service in $(services); do
  digests[$service]="$(digest_of "$environment" "$service")"
  [ -n "${digests[$service]}" ] || fail "$environment has no image of $service for this commit: publish it first"
done

# Replaces the line with the image, and leaves all other values alone.
write_image() {
  local file="$1" image="$2"
  mkdir -p "$(dirname "$file")"
  if [ -f "$file" ] && grep -q '^image:' "$file"; then
    sed -i "s|^image:.*|image: $image|" "$file"
  else
    printf 'image: %s\n' "$image" >> "$file"
  fi
}

work="$(mktemp -d)"
tree="$work/tree"
trap 'git worktree remove --force "$tree" 2> /dev/null || true; rm -rf "$work"' EXIT
for attempt in 1 2 3 4 5; do
  git fetch "$remote" "$branch"
  git worktree add --force --detach "$tree" FETCH_HEAD
  before="$(git -C "$tree" rev-parse HEAD)"
  # One commit for each service, so that one can be reverted alone.
  for service in $(services); do
    file="services/$service/overlays/$environment/values.yaml"
    write_image "$tree/$file" "$(image_of "$environment" "$service")@${digests[$service]}"
    git -C "$tree" add "$file"
    if ! git -C "$tree" diff --cached --quiet; then
      git -C "$tree" -c user.name="${GIT_USER_NAME:-release}" -c user.email="${GIT_USER_EMAIL:-release@example.com}" \
        commit --quiet --message "Release $tag of $service to $environment"
    fi
  done
  if [ "$(git -C "$tree" rev-parse HEAD)" = "$before" ]; then
    echo "$environment runs $tag already."
    exit 0
  fi
  if git -C "$tree" push "$remote" "HEAD:$branch"; then exit 0; fi
  # Another release was faster.
  echo "attempt $attempt failed" >&2
  git worktree remove --force "$tree"
done
fail "can't push to $branch of $remote"
