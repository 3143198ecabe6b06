#!/usr/bin/env bash
# Run both commands on a fresh Debian 12: a minimal system in a folder of its own, with git, make
# and python3-venv and nothing else. Needs root and debootstrap; takes some ten minutes.
#
#   tools/fresh.sh [FOLDER [serve|test]]    the folder is made, used and kept; remove it yourself
#
# It clones the committed tree (not the working one), times a cold and a warm `make serve`, and
# then a cold and a warm `make test`. This machine's own network settings (name servers, apt's
# sources, roots it trusts) are lent to the folder at run time; nothing of them is written here.
set -euo pipefail

[ "$(id -u)" = 0 ] || { echo "fresh.sh needs root: it makes a system in a folder" >&2; exit 1; }
command -v debootstrap > /dev/null || { echo "apt-get install debootstrap first" >&2; exit 1; }

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
fresh=${1:-$(mktemp -d -t fresh-XXXXXX)}
# The folder shares this machine's network: ask for a port that nobody answers on.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
patience=900

# Run a command with the folder as its root. Not by chroot: the kernel refuses user namespaces in
# one, and Chromium's sandbox is made of them. The mounts end with the command.
inside() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "${lent[@]}" \
    unshare --mount --propagation private bash -euc '
      mount --bind "$0" "$0"; cd "$0"; mkdir -p .outside
      mount -t proc proc proc; mount --rbind /dev dev
      pivot_root . .outside; umount --lazy /.outside
      exec "$@"' "$fresh" "$@"
}
timed() {
  local began=$SECONDS
  "${@:2}"
  printf '%-28s %5d s\n' "$1" "$((SECONDS - began))" | tee -a "$fresh/times.txt"
}

# What this machine needs to reach the registries at all, by name; most machines need none of it.
lent=()
for name in http_proxy https_proxy no_proxy SSL_CERT_FILE PIP_INDEX_URL PIP_CERT; do
  [ -z "${!name:-}" ] || lent+=("$name=${!name}")
done

make_system() {
  debootstrap --variant=minbase --include=ca-certificates,git,make,python3,python3-venv \
    bookworm "$fresh" > "$fresh.log" 2>&1 || { tail -5 "$fresh.log" >&2; return 1; }
  cp /etc/resolv.conf "$fresh/etc/resolv.conf"
  cp /etc/hosts "$fresh/etc/hosts"
  cp /etc/ssl/certs/ca-certificates.crt "$fresh/etc/ssl/certs/ca-certificates.crt"
  if [ -f /etc/apt/sources.list.d/debian.sources ]; then
    rm -f "$fresh/etc/apt/sources.list"
    cp /etc/apt/sources.list.d/debian.sources "$fresh/etc/apt/sources.list.d/"
  fi
  cp -r /etc/apt/apt.conf.d/. "$fresh/etc/apt/apt.conf.d/"
  git clone --quiet "$tree" "$fresh/srv/guzheng"
}

trap '[ -z "${serving:-}" ] || kill -- "-$serving"' EXIT

# `make serve` until it answers.
serve_until_it_answers() {
  local log=$1 deadline=$((SECONDS + patience))
  set -m
  inside make -C /srv/guzheng serve "PORT=$port" > "$fresh/$log" 2>&1 &
  serving=$!
  set +m
  until python3 - "$port" << 'ASK' 2> /dev/null
import sys, urllib.request
urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/", timeout=5).read()
ASK
  do
    kill -0 "$serving" 2> /dev/null || { tail -30 "$fresh/$log" >&2; return 1; }
    [ "$SECONDS" -lt "$deadline" ] || { echo "no answer in $patience s" >&2; return 1; }
    sleep 0.2
  done
}

stop_serving() {                            # as Ctrl-C would
  kill -INT -- "-$serving"
  wait "$serving" || true
  serving=
  grep -E '^[✓!]' "$fresh/$1" || true
}

run_tests() { inside make -C /srv/guzheng test 2>&1 | tee "$fresh/$1" | grep -E '^[✓!✗]|passed|failed|^(FAILED|ERROR|SKIPPED)'; }

echo "fresh system in $fresh"
timed "minimal Debian 12" make_system
if [ "${2:-serve}" = serve ]; then
  timed "make serve, cold" serve_until_it_answers serve-cold.log
  stop_serving serve-cold.log
  timed "make serve, warm" serve_until_it_answers serve-warm.log
  stop_serving serve-warm.log
fi
if [ "${2:-test}" = test ]; then
  timed "make test, cold" run_tests test-cold.log
  timed "make test, warm" run_tests test-warm.log
fi
echo "and what they printed is in $fresh/*.log"
