# shellcheck shell=bash
# Scans dependencies, secrets and Dockerfiles; fails on high and critical findings.
. "$(dirname "$0")/lib.sh"

trivy fs --scanners vuln,secret,misconfig --severity HIGH,CRITICAL --ignore-unfixed --exit-code 1 --no-progress sources
