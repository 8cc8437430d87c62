# Sourced by bench.sh: how soon an agent serves, what it needs, how long a runtime waits for it. What is timed has real-time priority. Pods are attached by calling the CNI
# executable as a runtime does, without processes in them; the lab's kubelet sleeps meanwhile, or it would run them too.

agent_kubelet() { kill "-$1" "$(cat "$dir/kubelet.pid")"; }
agent_rss() { awk '/^VmRSS/ {printf "%.0f", $2 / 1024}' "/proc/$(cat "$dir/node1/agent.pid")/status"; }

# agent_pods FIRST COUNT: manifests, and an empty namespace for each
agent_pods() {
    local i
    {
        echo '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "burst"}}' >"$bench_dir/0.json"
        for ((i = $1; i < $1 + $2; i++)); do
            jq -cn --arg i "$i" --arg app "app$((i % 10))" '{apiVersion: "v1", kind: "Pod", metadata: {name: "burst-\($i)", namespace: "burst", uid: "uid-\($i)", labels: {app: $app}},
                spec: {nodeName: "node1", containers: [{name: "c", image: "none"}]}}'
        done | jq -s --slurpfile ns "$bench_dir/0.json" '{apiVersion: "v1", kind: "List", items: ($ns + .)}'
    } >"$bench_dir/pods-$1.json"
    for ((i = $1; i < $1 + $2; i++)); do
        echo "$lab-burst-$i" >>"$dir/namespaces"
        ip netns add "$lab-burst-$i"
    done
    bench_client -n node1 manifests apply -f "$bench_dir/pods-$1.json" >/dev/null
}

# agent_cni COMMAND FIRST COUNT PARALLEL: milliseconds of each call
agent_cni() {
    local args=() i
    jq -n --arg socket "$dir/node1/agent.sock" '{cniVersion: "1.1.0", name: "patchbay", type: "patchbay-cni", agentSocket: $socket}' >"$bench_dir/cni.json"
    # Numbers begin at 0; the namespaces' names are made in the shell.
    printf '#!/bin/sh\ni=$(($1 + %d))\nexport CNI_CONTAINERID=burst$i CNI_NETNS=/run/netns/%s-burst-$i CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=burst;K8S_POD_NAME=burst-$i;K8S_POD_UID=uid-$i"\nexec "%s"\n' \
        "$2" "$lab" "$(lab_dist)/bin/patchbay-cni" >"$bench_dir/one"
    chmod +x "$bench_dir/one"
    chrt -r 1 "$bench_bin/pb-bench" burst --count "$3" --parallel "$4" --env "CNI_COMMAND=$1" --env CNI_IFNAME=eth0 --env "CNI_PATH=$(lab_dist)/bin" --stdin "$bench_dir/cni.json" -- "$bench_dir/one" {}
}

# How long lab_restart would take, in milliseconds from the start of the process.
agent_start() {
    local pid
    pid=$(cat "$dir/node1/agent.pid")
    kill -KILL "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
    (chrt -r -p 1 "$BASHPID" >/dev/null; lab_start_agent node1)
    chrt -r 1 "$bench_bin/pb-bench" until 60 -- "$client" --lab "$lab" -n node1 status --brief
}

# agent_cluster SERVICES IDENTITIES: services with two hand-made endpoints each, identities as other nodes would claim them, and their pods
agent_cluster() {
    jq -n --argjson n "$1" '{apiVersion: "v1", kind: "List", items: ([{apiVersion: "v1", kind: "Namespace", metadata: {name: "many"}}] + [range($n) |
        {apiVersion: "v1", kind: "Service", metadata: {name: "s\(.)", namespace: "many"}, spec: {clusterIP: "10.96.\(100 + (. / 250 | floor)).\(1 + . % 250)", ports: [{port: 80, protocol: "TCP"}]}},
        {apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", metadata: {name: "s\(.)-1", namespace: "many", labels: {"kubernetes.io/service-name": "s\(.)"}}, addressType: "IPv4",
         endpoints: [range(2) as $e | {addresses: ["10.245.\(. / 250 | floor).\(1 + . % 250)"], conditions: {ready: true}}], ports: [{port: 8080, protocol: "TCP"}]}])}' >"$bench_dir/services.json"
    bench_client -n node1 manifests apply -f "$bench_dir/services.json" >/dev/null
    local folder=$dir/cluster/objects/ciliumidentities
    jq -cn --argjson n "$2" 'range($n) | {apiVersion: "cilium.io/v2", kind: "CiliumIdentity", metadata: {name: "\(. + 30000)"}, "security-labels":
        {"k8s:app": "other\(.)", "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name": "many", "k8s:io.cilium.k8s.policy.cluster": "default",
         "k8s:io.cilium.k8s.policy.serviceaccount": "default", "k8s:io.kubernetes.pod.namespace": "many"}}' |
        awk -v d="$folder" '{f = d "/" 30000 + NR - 1 ".json"; print > f; close(f)}'
}

agent_quantiles() { bench_tool quantiles <"$1"; }

bench_agent() {
    local runs i n p50 p90 p99 max rss_add rss_start
    bench_lab
    runs=$(bench_of 9 3)
    bench_say "start to ready, $runs times"
    for ((i = 0; i < runs; i++)); do agent_start >>"$bench_dir/start"; done
    agent_kubelet STOP
    echo "| CNI ADD, 100 pods, 8 at a time | calls | p50 ms | p90 ms | p99 ms | longest ms |" >"$bench_dir/burst.md"
    echo "|---|---|---|---|---|---|" >>"$bench_dir/burst.md"
    for i in 0 1; do
        bench_say "burst $((i + 1))"
        agent_pods $((i * 100)) 100
        sleep 2
        agent_cni ADD $((i * 100)) 100 8 >"$bench_dir/burst" || fail "a CNI ADD failed"
        read -r n p50 p90 p99 max <<<"$(agent_quantiles "$bench_dir/burst")"
        echo "| burst $((i + 1)) | $n | $p50 | $p90 | $p99 | $max |" >>"$bench_dir/burst.md"
        [ "$i" != 0 ] || { agent_burst50=$p50 agent_burst99=$p99; }
        agent_cni DEL $((i * 100)) 100 8 >"$bench_dir/del" || fail "a CNI DEL failed"
        read -r n p50 p90 p99 max <<<"$(agent_quantiles "$bench_dir/del")"
        echo "| DEL of them | $n | $p50 | $p90 | $p99 | $max |" >>"$bench_dir/burst.md"
        bench_client -n node1 manifests delete -f "$bench_dir/pods-$((i * 100)).json" >/dev/null
    done
    bench_say "one at a time"
    agent_pods 200 50
    sleep 2
    agent_cni ADD 200 50 1 >"$bench_dir/burst" || fail "a CNI ADD failed"
    read -r n p50 p90 p99 max <<<"$(agent_quantiles "$bench_dir/burst")"
    echo "| one at a time | $n | $p50 | $p90 | $p99 | $max |" >>"$bench_dir/burst.md"
    bench_say "memory with 50 pods more, 1000 services, 1000 identities"
    agent_cluster 1000 1000
    sleep 15
    rss_add=$(agent_rss)
    agent_start >"$bench_dir/start-full"
    sleep 15
    rss_start=$(agent_rss)
    local services identities pods
    services=$(bench_client -n node1 service list -o json | jq length)
    identities=$(bench_client -n node1 identity list -o json | jq length)
    pods=$(bench_client -n node1 endpoint list -o json | jq 'map(select(.pod != "")) | length')
    agent_kubelet CONT
    local rss=$rss_add
    [ "$rss_start" -le "$rss" ] || rss=$rss_start
    read -r n p50 p90 p99 max <<<"$(agent_quantiles "$bench_dir/start")"
    echo "## Figures"
    echo
    echo "| what | reach | found | |"
    echo "|---|---|---|---|"
    echo "| agent start to ready, JVM start included | at most 3 s | median $(jq -n "$p50 / 1000 * 100 | round / 100") s, longest of $n $(jq -n "$max / 1000 * 100 | round / 100") s | $(bench_verdict "$p50" '<=' 3000) |"
    echo "| agent resident memory with 50 pods, 1 000 services, 1 000 identities | at most 200 MiB | $rss MiB | $(bench_verdict "$rss" '<=' 200) |"
    echo "| CNI ADD, burst of 100 pods, 8 at a time, p50 | at most 40 ms | $agent_burst50 ms | $(bench_verdict "$agent_burst50" '<=' 40) |"
    echo "| the same, p99 | at most 150 ms | $agent_burst99 ms | $(bench_verdict "$agent_burst99" '<=' 150) |"
    echo
    echo "## Start"
    echo
    echo "The agent of node1 is killed (SIGKILL) and started again; until \`status --brief\` says it is ready. Agent and caller have real-time priority, so that other work of the machine does not count. Milliseconds: $(tr '\n' ' ' <"$bench_dir/start"). With the cluster of the memory row: $(cat "$bench_dir/start-full")."
    echo
    echo "## Memory"
    echo
    echo "VmRSS of the agent with $pods endpoints, $services rows of services and $identities identities as its own commands count them: $rss_add MiB 15 s after they came, $rss_start MiB 15 s after a start with all of them there."
    echo
    echo "## CNI"
    echo
    echo "Milliseconds from fork to exit of the CNI executable, namespaces made before; real-time priority as above. Ten sets of labels, so that ten identities are claimed by the first burst. Burst 1 comes right after the agent's start and its rehearsal (docs/features/endpoint.md)."
    echo
    cat "$bench_dir/burst.md"
    echo
}
