# shellcheck shell=bash
# Writes the digests of a release into the repository that Argo CD watches, and pushes them. `git revert` of the commit undoes it.
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

work="$(mktemp -d)"
trap 'git worktree remove --force "$work/tree" 2> /dev/null || true; rm -rf "$work"' EXIT
for attempt in 1 2 3 4 5; do
  git fetch "$remote" "$branch"
  git worktree add --force --detach "$work/tree" FETCH_HEAD
  for service in "${!digests[@]}"; do
    file="services/$service/overlays/$environment/values.yaml"
    mkdir -p "$work/tree/$(dirname "$file")"
    printf '# Written by the pipeline. Revert the commit to undo it.\nimage: %s@%s\n' \
      "$(image_of "$environment" "$service")" "${digests[$service]}" > "$work/tree/$file"
    git -C "$work/tree" add "$file"
  done
  if git -C "$work/tree" diff --cached --quiet; then
    echo "$environment runs $tag already."
    exit 0
  fi
  git -C "$work/tree" -c user.name="${GIT_USER_NAME:-release}" -c user.email="${GIT_USER_EMAIL:-release@example.com}" \
    commit --quiet --message "Release $tag to $environment"
  if git -C "$work/tree" push "$remote" "HEAD:$branch"; then exit 0; fi
  # Another release was faster.
  echo "attempt $attempt failed" >&2
  git worktree remove --force "$work/tree"
done
fail "can't push to $branch of $remote"
