# shellcheck shell=sh
# How every script talks to a person: one line for each step, and errors that say what to do. Source it.

# say TEXT: one line on stderr, so that stdout stays free for a script's result.
say() { printf '  %s\n' "$*" >&2; }

# fail WHAT [WHAT TO DO]...: print the lines and end.
fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

# now: seconds, for elapsed times.
now() { date +%s; }

# can_apt: whether packages can be installed here.
can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

# apt_install PACKAGE...: install quietly; the log is shown only where it fails.
apt_install() {
    apt_log=$(mktemp)
    apt-get update -qq >"$apt_log" 2>&1 || true # a foreign list that does not answer must not stop us
    if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >>"$apt_log" 2>&1; then
        tail -n 20 "$apt_log" >&2
        rm -f "$apt_log"
        fail "apt-get could not install: $*" "The lines above say why. Repair that and run the command again."
    fi
    rm -f "$apt_log"
}

# One engine for all: the command line asks the engine whose socket the agent gets.
engine_socket=${TOOLHIVE_ENGINE_SOCKET:-}
if [ -z "$engine_socket" ] && [ -f .env ]; then engine_socket=$(sed -n 's/^TOOLHIVE_ENGINE_SOCKET=//p' .env | tail -n 1); fi
if [ -n "$engine_socket" ] && [ -z "${DOCKER_HOST:-}" ]; then
    DOCKER_HOST=unix://$engine_socket
    export DOCKER_HOST
fi
