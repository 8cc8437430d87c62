# Sourced by bench.sh: what a switch of generations costs, under load.

# control_window SECONDS SWITCHES(0|1) ROUND: traffic between two pods of a node for so long; with switches, one command after the other
control_window() {
    local seconds=$1 switches=$2 round=$3 receiver sender begin end ms change outcome
    lab_pod_exec "$bench_pod_friend" chrt -f 2 pb-traffic udp-duplex --listen 0.0.0.0:9000 --pps "$control_pps" >"$bench_dir/receiver" 2>/dev/null &
    receiver=$!
    lab_pod_exec "$bench_pod_client" chrt -f 2 pb-traffic udp-duplex --peer "$(lab_address "$bench_pod_friend"):9000" --pps "$control_pps" --seconds "$seconds" >"$bench_dir/sender" 2>/dev/null &
    sender=$!
    if [ "$switches" = 1 ]; then
        sleep 0.3
        end=$(($(date +%s%N) + (seconds - 1) * 1000000000))
        change=disable
        while [ "$(date +%s%N)" -lt "$end" ]; do
            begin=$(date +%s%N)
            bench_client -n node1 feature "$change" bandwidth >/dev/null || fail "feature $change bandwidth failed"
            ms=$((($(date +%s%N) - begin) / 1000))
            bench_client -n node1 ledger -o json >>"$bench_dir/ledgers"
            echo "$ms" >>"$bench_dir/commands"
            if [ "$change" = disable ]; then change=enable; else change=disable; fi
        done
        [ "$change" = disable ] || bench_client -n node1 feature enable bandwidth >/dev/null
    fi
    wait "$sender" || fail "the sender of the traffic failed"
    wait "$receiver" || fail "the receiver of the traffic failed"
    jq -s --argjson round "$round" --argjson switches "$switches" '{round: $round, switches: $switches, sent: (map(.sent) | add), received: (map(.received) | add), lost: (map(.lost) | add),
        duplicates: (map(.duplicates) | add), reordered: (map(.reordered) | add), drops: (map(.socket_drops) | add), gap: (map(.max_gap_us) | max)}' "$bench_dir/sender" "$bench_dir/receiver" >>"$bench_dir/windows"
}

bench_control() {
    local rounds seconds round
    control_pps=10000
    bench_lab
    bench_pod_friend=$(lab_first_pod friend node1)
    [ -n "$bench_pod_friend" ] || bench_pod_friend=$(lab_first_pod web node1)
    # The agent before other work of the machine, the traffic before the agent.
    # shellcheck source=itests/bench/agent.sh
    . "$root/itests/bench/agent.sh"
    agent_start >/dev/null
    seconds=$(bench_of 8 4) rounds=$(bench_of 5 2)
    : >"$bench_dir/windows"
    for ((round = 0; round < rounds; round++)); do
        bench_say "round $((round + 1)) of $rounds"
        # Twice without: the A/A row.
        control_window "$seconds" 0 "$round"
        control_window "$seconds" 1 "$round"
        control_window "$seconds" 2 "$round"
    done
    jq -s 'add | map(.switchNanos / 1000) | .[]' "$bench_dir/ledgers" >"$bench_dir/stores"
    jq -s 'add | map(.acceptedNanos / 1000000) | .[]' "$bench_dir/ledgers" >"$bench_dir/accepted"
    awk '{print $1 / 1000}' "$bench_dir/commands" >"$bench_dir/commands.ms"
    local n p50 p90 p99 max c50 c90 c99 cmax a50 a90 a99 amax with without lost ledger
    read -r n p50 p90 p99 max <<<"$(bench_tool quantiles <"$bench_dir/stores")"
    read -r n c50 c90 c99 cmax <<<"$(bench_tool quantiles <"$bench_dir/commands.ms")"
    read -r n a50 a90 a99 amax <<<"$(bench_tool quantiles <"$bench_dir/accepted")"
    with=$(jq -s '[.[] | select(.switches == 1) | .gap] | max / 10 | round / 100' "$bench_dir/windows")
    without=$(jq -s '[.[] | select(.switches != 1) | .gap] | max / 10 | round / 100' "$bench_dir/windows")
    lost=$(jq -s '[.[] | select(.switches == 1) | .lost + .duplicates + .reordered] | add' "$bench_dir/windows")
    ledger=$(jq -s 'add | [.[].rows[] | .lost + .hole + .unprocessed + .mixed] | add' "$bench_dir/ledgers")
    echo "## Figures"
    echo
    echo "| what | reach | found | |"
    echo "|---|---|---|---|"
    echo "| the store, under load, p99 of $n switches | at most 100 us | $p99 us (median $p50, longest $max) | $(bench_verdict "$p99" '<=' 100) |"
    echo "| command to accepted | at most 1 s | median $c50 ms, p99 $c99 ms, longest $cmax ms | $(bench_verdict "$cmax" '<=' 1000) |"
    echo "| longest packet gap against the same traffic without a switch | within its range | $with ms against $without ms | $(bench_verdict "$with" '<=' "$without") |"
    echo "| packets lost, duplicated or reordered over all switches, by the traffic tool | 0 | $lost of $(jq -s '[.[] | select(.switches == 1) | .sent] | add' "$bench_dir/windows") | $(bench_verdict "$lost" '==' 0) |"
    echo "| lost, in a hole, unprocessed or mixed, by the ledgers | 0 | $ledger | $(bench_verdict "$ledger" '==' 0) |"
    echo
    echo "UDP between two pods of node1, $control_pps datagrams a second in each direction, in windows of $seconds s, $rounds rounds of three: without, with (\`feature disable\` and \`enable bandwidth\`, one after the other), without. Agent and traffic have real-time priority, so that other work of the machine does not count, the traffic the higher one. Command to accepted is what a user waits for the command; the agent's own account of it: median $a50 ms, p99 $a99 ms."
    echo
    echo "## Longest gap between two datagrams, ms"
    echo
    echo "| | windows | median | longest | lost | duplicated | reordered | no room in the receiver's socket |"
    echo "|---|---|---|---|---|---|---|---|"
    local kind
    for kind in 0 1 2; do
        jq -rs --argjson k "$kind" 'map(select(.switches == $k)) | (map(.gap / 10 | round / 100) | sort) as $g |
            "| \(["without", "with switches", "without, again (A/A)"][$k]) | \(length) | \($g[(length - 1) / 2 | floor]) | \($g[-1]) | \(map(.lost) | add) | \(map(.duplicates) | add) | \(map(.reordered) | add) | \(map(.drops) | add) |"' "$bench_dir/windows"
    done
    echo
}
