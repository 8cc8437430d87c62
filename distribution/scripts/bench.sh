# Sourced by ./patchbay: figures, side by side in one run. Each part is a file of itests/bench; its results are written to docs/benchmarks.
# A lab of its own (bench) is started and taken down again; whatever a part makes beside it is noted in the lab's list of namespaces.

bench_usage() {
    cat <<'TEXT'
Usage: patchbay bench [datapath|services|policy|control|agent|soak]... [--quick]

  datapath   pods of one node against a veth pair and bridges; what the programs cost a packet inside the kernel
  services   a connection through a service against a direct one, with few and with many services; from tables into maps
  policy     what a rule costs a packet, a compiler and the time until the kernel enforces it
  control    what switching a generation costs the traffic
  agent      start, memory, CNI ADD
  soak       the proof of the promise at length: every change a hundred times, a thousand updates of everything, under traffic (hours; only when asked for)

  --quick    fewer and shorter rounds: to try a change, not to quote
Prints its tables and writes them to docs/benchmarks/PART.md (not with --quick). Nothing else should run on the machine.
TEXT
}

bench_parts=(datapath services policy control agent)

bench_main() {
    local parts=() part
    bench_quick=
    while [ $# -gt 0 ]; do
        case $1 in
            -h|--help) bench_usage; return ;;
            --quick) bench_quick=1 ;;
            datapath|services|policy|control|agent|soak) parts+=("$1") ;;
            *) bench_usage >&2; exit 2 ;;
        esac
        shift
    done
    [ ${#parts[@]} -gt 0 ] || parts=("${bench_parts[@]}")
    setup_install
    # What the figures are compared with; a machine that can't have it says "not measured" in their place.
    (setup_needs='iptables iptables rules to compare with
nft nftables rules to compare with'; setup_install) || true
    [ -n "${PATCHBAY_NO_BUILD:-}" ] || setup_build
    bench_bin=$root/itests/bench/target
    "$root/itests/bench/build" "$bench_bin"
    # shellcheck source=distribution/scripts/lab.sh
    . "$root/distribution/scripts/lab.sh"
    lab=${PATCHBAY_BENCH_LAB:-bench} dir=$PATCHBAY_RUN/${PATCHBAY_BENCH_LAB:-bench}
    traffic=$(lab_bin)/pb-traffic
    for part in "${parts[@]}"; do
        # shellcheck disable=SC1090
        . "$root/itests/bench/$part.sh"
        bench_part "$part"
    done
}

bench_part() {
    local out
    out=$(mktemp)
    trap 'bench_down; rm -rf "$bench_dir"' EXIT
    trap 'exit 130' INT TERM
    bench_dir=$(mktemp -d)
    bench_started=$(date -u +%Y-%m-%dT%H:%MZ)
    {
        echo "# Bench: $1"
        echo
        echo "Written by \`./patchbay bench $1\` on $bench_started: $(nproc) CPUs ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)), Linux $(uname -r), load $(cut -d' ' -f1 /proc/loadavg) at the start."
        echo
    } >"$out"
    "bench_$1" >"$bench_dir/body" || { bench_down; fail "the bench '$1' did not end well (see above)"; }
    cat "$bench_dir/body" >>"$out"
    printf "\nLoad at the end: %s.\n" "$(cut -d" " -f1 /proc/loadavg)" >>"$out"
    bench_down
    trap - EXIT INT TERM
    rm -rf "$bench_dir"
    cat "$out"
    if [ -z "$bench_quick" ]; then
        mkdir -p "$root/docs/benchmarks"
        cp "$out" "$root/docs/benchmarks/$1.md"
        chmod 644 "$root/docs/benchmarks/$1.md"
    fi
    rm -f "$out"
}

# bench_need COMMAND PACKAGE: something to compare with; where it can't be had, its rows say so.
bench_need() {
    command -v "$1" >/dev/null && return
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$2" >&2 || bench_say "there is no $1 (package $2): it is left out"
}

bench_say() { printf '%s  %s\n' "$(date +%T)" "$*" >&2; }
bench_tool() { "$bench_bin/pb-bench" "$@"; }
bench_client() { "$client" --lab "$lab" "$@"; }
# bench_of FULL QUICK: a count of rounds or a length
bench_of() { if [ -n "$bench_quick" ]; then echo "$2"; else echo "$1"; fi; }

bench_lab() {
    bench_say "lab $lab"
    (PATCHBAY_LAB=$lab; PATCHBAY_NO_BUILD=1 lab_up --no-check) >&2 || fail "the lab did not start"
    bench_pod_client=$(lab_first_pod client node1)
    bench_pod_web=$(lab_first_pod web node1)
    # The server on the CPU of the measurements and before everything else there, as every client and server here (nice would not do: each
    # session is a scheduling group of its own).
    local pid
    for pid in $(cat "$(jq -r .cgroup "$dir/pods/${bench_pod_web/\//_}.json")/cgroup.procs"); do taskset -acp 0 "$pid" >/dev/null; chrt -afp 1 "$pid" >/dev/null; done
}

bench_down() {
    local pid
    for pid in ${bench_servers:-}; do kill "$pid" 2>/dev/null || true; done
    bench_servers=
    if [ -s "${bench_dir:-/nonexistent}/namespaces" ]; then
        local ns
        while read -r ns; do [ ! -e "/run/netns/$ns" ] || ip netns delete "$ns" || true; done <"$bench_dir/namespaces"
    fi
    [ ! -d "$dir" ] || lab_down >&2
}

# A namespace of the bench's own; noted before it exists.
bench_netns() {
    echo "$lab-$1" >>"$bench_dir/namespaces"
    ip netns add "$lab-$1"
    ip -n "$lab-$1" link set lo up
}
bench_in() { local ns=$1; shift; nsenter --net="/run/netns/$lab-$ns" -- "$@"; }

bench_serve() {
    local ns=$1
    shift
    nsenter --net="/run/netns/$lab-$ns" -- chrt -f 1 taskset -c 0 "$traffic" serve "$@" >/dev/null 2>&1 </dev/null &
    bench_servers="${bench_servers:-} $!"
    disown
}

# The reach of a figure, and whether it is: bench_verdict VALUE OPERATOR LIMIT
bench_verdict() { if jq -en "$1 $2 $3" >/dev/null; then echo reached; else echo "**not reached**"; fi; }
# Median, 90 % interval of one row of a table of pb-bench stats: bench_row FILE CASE COLUMN(3 median, 4 ratio, 5 interval)
bench_row() { awk -F'|' -v c="$2" -v k="$3" '{gsub(/^ +| +$/, "", $2)} $2 == c {gsub(/^ +| +$/, "", $(k+1)); print $(k+1); exit}' "$1"; }

# bench_classpath MODULE: test classes and all they need
bench_classpath() {
    local cache=$root/$1/target/bench.classpath
    [ -s "$cache" ] || (cd "$root/$1" && mvn -o -q -B dependency:build-classpath -Dmdep.outputFile="$cache" -Dmdep.includeScope=test >&2) || fail "no class path of $1: build first"
    echo "$root/$1/target/test-classes:$root/$1/target/classes:$(cat "$cache")"
}

# The script itself before other work of the machine, between two measurements: rounds stay close together. Not while it starts anything that stays.
bench_hurry() { chrt -r -p 1 "$BASHPID" >/dev/null; }
bench_rest() { chrt -o -p 0 "$BASHPID" >/dev/null; }
