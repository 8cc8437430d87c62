# Sourced by ./patchbay bench soak: the proof of the promise at length. It runs the class Soak of itests/dist, which uses what the tests use, and takes
# over what that has written. Hours; PATCHBAY_SOAK (a list of Soak's methods, with +) runs some of it.

bench_soak() {
    local rows=$bench_dir/soak.md repeat updates times away
    repeat=$(bench_of 100 3) updates=$(bench_of 1000 6) times=$(bench_of 10 2) away=$(bench_of 30 3)
    bench_say "soak: ${PATCHBAY_REPEAT:-$repeat} times each change, ${PATCHBAY_UPDATES:-$updates} updates of everything; $root/itests/dist/target/soak.log follows it"
    mkdir -p "$root/itests/dist/target"
    local failed=
    (cd "$root" && mvn -B -ntp failsafe:integration-test failsafe:verify -pl itests/dist -Dit.test="Soak${PATCHBAY_SOAK:+#$PATCHBAY_SOAK}" \
        -Dpatchbay.repeat="${PATCHBAY_REPEAT:-$repeat}" -Dpatchbay.updates="${PATCHBAY_UPDATES:-$updates}" \
        -Dpatchbay.away="$away" -Dpatchbay.away-times="$times" -Dpatchbay.soak.out="$rows") >"$root/itests/dist/target/soak.log" 2>&1 || failed=1
    cat <<TEXT
Between pods on one node, across nodes, through a ClusterIP (translated at the socket and packet by packet) and to the outside: numbered UDP both ways,
requests on open TCP connections, new connections all the time, and connections that policy refuses; each by processes of its own that count for
themselves. The columns from *lost* to *device drops* are sums of the ledgers, counted in the datapath.
TEXT
    [ ! -e "$rows" ] || cat "$rows"
    if [ -n "$failed" ]; then
        grep -E '^\[ERROR\]|AssertionError|suffered' "$root/itests/dist/target/soak.log" | head -40 >&2
        return 1
    fi
}
