# Sourced by bench.sh: policy's compiler, its stage, and the time until a policy is in force.


# policy_file NAME ALLOWED: the friend pod takes UDP from the client, or from nobody
policy_file() {
    jq -n --argjson allow "$2" '{apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: {name: "bench", namespace: "demo"}, spec: {podSelector: {matchLabels: {app: "friend"}},
        policyTypes: ["Ingress"], ingress: (if $allow then [{from: [{podSelector: {matchLabels: {app: "client"}}}], ports: [{protocol: "UDP", port: 9000}]}] else [] end)}}' >"$1"
}

# policy_others COUNT: policies that select nobody here
policy_others() {
    jq -n --argjson n "$1" '{apiVersion: "v1", kind: "List", items: [range($n) | {apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: {name: "other-\(.)", namespace: "demo"},
        spec: {podSelector: {matchLabels: {app: "a\(. % 20)"}}, policyTypes: ["Ingress"], ingress: [{from: [{podSelector: {matchLabels: {tier: "t\(. % 7)"}}}], ports: [{protocol: "TCP", port: (8000 + .)}]}]}}]}'
}

policy_probe() { lab_pod_exec "$bench_pod_client" pb-traffic probe --to "$1" --proto udp --timeout 4; }

# policy_latency ROUNDS FILE: from the start of the command to the first answer that passes. One process asks all the time, so that
# nothing is started meanwhile but the command.
policy_latency() {
    local i address begin ended
    address=$(lab_address "$bench_pod_friend"):9000
    for ((i = 0; i < $1; i++)); do
        bench_client -n node1 manifests apply -f "$bench_dir/deny.json" >/dev/null
        local tries=0
        while policy_probe "$address" >/dev/null 2>&1; do tries=$((tries + 1)); [ $tries -lt 1000 ] || fail "the policy never denied"; done
        "$bench_dir/probe" >"$bench_dir/answered" &
        local prober=$!
        sleep 0.1
        begin=$(date +%s%N)
        bench_client -n node1 manifests apply -f "$bench_dir/allow.json" >/dev/null
        ended=$(date +%s%N)
        wait $prober || fail "the policy never allowed"
        echo "$(($(tail -1 "$bench_dir/answered") - begin))" | awk '{print $1 / 1e6}' >>"$2"
        echo "$((ended - begin))" | awk '{print $1 / 1e6}' >>"$2.command"
    done
}

bench_policy() {
    local rounds compiler
    bench_say "compiler"
    compiler=$(bench_of "10000 1000 100" "1000 100 10")
    # shellcheck disable=SC2086
    (cd "$root/bundles/policy" && chrt -r 1 taskset -c 1 java -Djnr.ffi.x86asm.enabled=false -cp "$(bench_classpath bundles/policy)" io.patchbay.policy.internal.CompilerBench $compiler) >"$bench_dir/compiler" 2>"$bench_dir/log" || { tail -5 "$bench_dir/log" >&2; fail CompilerBench; }
    bench_say "stage"
    # It compiles what it needs, from its module.
    (cd "$root/bundles/policy" && chrt -r 1 taskset -c 1 java -Djnr.ffi.x86asm.enabled=false -cp "$(bench_classpath bundles/policy)" io.patchbay.policy.internal.StageBench) >"$bench_dir/stage" 2>"$bench_dir/log" || { tail -5 "$bench_dir/log" >&2; fail StageBench; }
    bench_lab
    bench_pod_friend=$(lab_first_pod friend node1)
    lab_pod_exec "$bench_pod_friend" pb-traffic serve --udp 9000 >/dev/null 2>&1 </dev/null &
    bench_servers="${bench_servers:-} $!"
    policy_file "$bench_dir/deny.json" false
    policy_file "$bench_dir/allow.json" true
    printf '#!/bin/bash\necho $$ >%q/cgroup.procs && exec nsenter --net=/run/netns/%q -- %q probe --to %s:9000 --proto udp --timeout 1 --first --count 20000\n' "$(jq -r .cgroup "$dir/pods/${bench_pod_client/\//_}.json")" \
        "$(jq -r .netns "$dir/pods/${bench_pod_client/\//_}.json")" "$traffic" "$(lab_address "$bench_pod_friend")" >"$bench_dir/probe"
    chmod +x "$bench_dir/probe"
    rounds=$(bench_of 40 5)
    bench_say "applied to enforced, $rounds times"
    policy_latency 3 "$bench_dir/warm"
    policy_latency "$rounds" "$bench_dir/few"
    policy_others 250 >"$bench_dir/others.json"
    bench_client -n node1 manifests apply -f "$bench_dir/others.json" >/dev/null
    bench_say "the same with 250 policies more"
    policy_latency 2 "$bench_dir/warm"
    policy_latency "$rounds" "$bench_dir/many"
    local n p50 p90 p99 max m50 m90 m99 mmax c50 cn crest
    read -r cn c50 crest <<<"$(bench_tool quantiles <"$bench_dir/many.command")"
    read -r n p50 p90 p99 max <<<"$(bench_tool quantiles <"$bench_dir/few")"
    read -r n m50 m90 m99 mmax <<<"$(bench_tool quantiles <"$bench_dir/many")"
    local few many stage first first10 full identity
    # Hooks of connections that passed before, whole: the stage itself is within their noise. Then the stage for packets that ask.
    few=$(sed -n '/passed before/,$s/^ *10 entries  .*hook *\([0-9]*\) ns.*/\1/p' "$bench_dir/stage")
    many=$(sed -n '/passed before/,$s/^ *10 000 entries  .*hook *\([0-9]*\) ns.*/\1/p' "$bench_dir/stage")
    stage=$(sed -n '/passed before/,$s/^ *10 000 entries  .*policy stage *\(-*[0-9]*\) ns.*/\1/p' "$bench_dir/stage")
    first10=$(sed -n '1,/passed before/s/^ *10 entries  .*policy stage *\(-*[0-9]*\) ns.*/\1/p' "$bench_dir/stage")
    first=$(sed -n '1,/passed before/s/^ *10 000 entries  .*policy stage *\(-*[0-9]*\) ns.*/\1/p' "$bench_dir/stage")
    full=$(awk '{print $2}' "$bench_dir/compiler" | sort -n | sed -n '3p')
    echo "## Figures"
    echo
    echo "| what | reach | found | |"
    echo "|---|---|---|---|"
    echo "| policy stage, random peers, 10 000 entries, packets of connections that passed before | at most 300 ns | $stage ns | $(bench_verdict "$stage" '<=' 300) |"
    echo "| the whole hook of these against 10 entries | at most 1.3 times | $many ns against $few ns: $(jq -n "$many / $few * 100 | round / 100") times | $(bench_verdict "$many / $few" '<=' 1.3) |"
    echo "| policy stage, first packet of a connection | at most 300 ns | $first ns | $(bench_verdict "$first" '<=' 300) |"
    echo "| the same against 10 entries | at most 1.3 times | $first ns against $first10 ns: $(jq -n "$first / ([$first10, 1] | max) * 100 | round / 100") times | $(bench_verdict "$first / ([$first10, 1] | max)" '<=' 1.3) |"
    echo "| full computation of $(printf "%s identities, %s policies, %s local endpoints" $compiler) | at most 2 s | median $full ms | $(bench_verdict "$full" '<=' 2000) |"
    identity=$(sed -n '3s/.*in the kernel p50 [0-9]* us p99 \([0-9]*\) us.*/\1/p' "$bench_dir/compiler")
    echo "| one identity added at that size, computed and its entries in the kernel, p99 | at most 10 ms | $identity us | $(bench_verdict "$identity" '<=' 10000) |"
    echo "| one policy applied, 250 others: command to enforced in the kernel, p99 | at most 100 ms | p50 $m50 ms, p99 $m99 ms | $(bench_verdict "$m99" '<=' 100) |"
    echo
    echo "## Applied to enforced"
    echo
    echo "A policy that denied a pod's UDP port to everybody is changed to allow it; from the start of \`manifests apply\` to the first exchange that passes; one process tries every 2 ms at most. $n times. The command itself, which ends when the object is written: p50 $c50 ms."
    echo
    echo "| | p50 ms | p90 ms | p99 ms | longest ms |"
    echo "|---|---|---|---|---|"
    echo "| the lab's own policies | $p50 | $p90 | $p99 | $max |"
    echo "| and 250 others | $m50 | $m90 | $m99 | $mmax |"
    echo
    echo "## Stage"
    echo
    echo "The sender's hook with and without the stage: test runs of 30 000 packets, each to a peer at random, medians of interleaved rounds; a case twice shows the noise. Both tables meet the same 10 000 addresses, which have 10 identities with the small table, so that the rest of the hook is equally cold."
    echo
    sed 's/^/    /' "$bench_dir/stage"
    echo
    echo "## Compiler"
    echo
    echo "$(printf "%s identities, %s policies, %s local endpoints" $compiler), each endpoint a class of its own; five rounds in one JVM."
    echo
    sed 's/^/    /' "$bench_dir/compiler"
    echo
}
