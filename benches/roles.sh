# shellcheck shell=bash
# Figures of a process and all that come of it: the roles of mainsd. Sourced by the benches that measure whole programs.

roles() {
    echo "$1"
    local child
    for child in $(cat /proc/"$1"/task/*/children 2>/dev/null || grep -l "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status 2>/dev/null | cut -d/ -f3); do
        roles "$child"
    done
}

# Voluntary switches: wake-ups.
switches() {
    local role
    for role in $(roles "$1"); do cat /proc/"$role"/task/*/status; done | awk '/^voluntary_ctxt/ { sum += $2 } END { print sum }'
}

# Processor time in microseconds.
cpu() {
    local role
    for role in $(roles "$1"); do cat /proc/"$role"/task/*/schedstat; done | awk '{ sum += $1 } END { printf "%d", sum / 1000 }'
}

# memory PID ROW: kB of this row of smaps_rollup.
memory() {
    local role
    for role in $(roles "$1"); do cat /proc/"$role"/smaps_rollup; done | awk -v row="^$2:" '$0 ~ row { sum += $2 } END { print sum }'
}
