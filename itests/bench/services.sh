# Sourced by bench.sh: a connection through a service against a direct one, with N services; kube-proxy's rules of the same N beside it.

# The last of N services leads to the web pod; each other one to ten addresses that nobody has.
services_manifest() {
    jq -cn --argjson n "$1" --arg web "$2" '{apiVersion: "v1", kind: "Namespace", metadata: {name: "many"}}, (range($n) |
        {apiVersion: "v1", kind: "Service", metadata: {name: "s\(.)", namespace: "many"}, spec: {clusterIP: "10.96.\(100 + (. / 250 | floor)).\(1 + . % 250)", ports: [{port: 80, targetPort: 8080, protocol: "TCP"}]}},
        {apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", metadata: {name: "s\(.)-1", namespace: "many", labels: {"kubernetes.io/service-name": "s\(.)"}}, addressType: "IPv4",
         endpoints: (if . == $n - 1 then [{addresses: [$web], conditions: {ready: true}}]
                     else [range(10) as $e | {addresses: ["10.\(200 + $e).\(. / 250 | floor).\(1 + . % 250)"], conditions: {ready: true}}] end),
         ports: [{port: 8080, protocol: "TCP"}]})' | jq -cs '{apiVersion: "v1", kind: "List", items: .}'
}
services_vip() { echo "10.96.$((100 + ($1 - 1) / 250)).$((1 + ($1 - 1) % 250))"; }

# A client, a router with the rules, a server.
services_router() {
    local n=0 host
    bench_netns "$1-r"
    bench_in "$1-r" sysctl -qw net.ipv4.ip_forward=1
    for host in a b; do
        n=$((n + 1))
        bench_netns "$1-$host"
        ip -n "$lab-$1-r" link add "to-$host" type veth peer name eth0 netns "$lab-$1-$host"
        ip -n "$lab-$1-r" address add "10.8.$n.1/24" dev "to-$host"
        ip -n "$lab-$1-r" link set "to-$host" up
        ip -n "$lab-$1-$host" address add "10.8.$n.2/24" dev eth0
        ip -n "$lab-$1-$host" link set eth0 up
        ip -n "$lab-$1-$host" route add default via "10.8.$n.1"
    done
}

# As kube-proxy writes them: one rule a service in KUBE-SERVICES, a chain a service, a chain an endpoint (here one endpoint for each, to keep
# the loading short: what a connection walks is the same).
services_iptables() {
    awk -v n="$1" 'BEGIN {
        print "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-POSTROUTING - [0:0]\n:KUBE-MARK-MASQ - [0:0]"
        for (i = 0; i < n; i++) printf ":KUBE-SVC-%d - [0:0]\n:KUBE-SEP-%d - [0:0]\n", i, i
        print "-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES"
        print "-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING"
        print "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN"
        print "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000"
        print "-A KUBE-POSTROUTING -j MASQUERADE --random-fully"
        print "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000"
        for (i = 0; i < n; i++) {
            vip = sprintf("10.96.%d.%d", 100 + int(i / 250), 1 + i % 250)
            to = i == n - 1 ? "10.8.2.2" : sprintf("10.200.%d.%d", int(i / 250), 1 + i % 250)
            printf "-A KUBE-SERVICES -d %s/32 -p tcp -m comment --comment \"many/s%d cluster IP\" -m tcp --dport 80 -j KUBE-SVC-%d\n", vip, i, i
            printf "-A KUBE-SVC-%d -m comment --comment \"many/s%d -> %s:8080\" -j KUBE-SEP-%d\n", i, i, to, i
            printf "-A KUBE-SEP-%d -s %s/32 -m comment --comment \"many/s%d\" -j KUBE-MARK-MASQ\n", i, to, i
            printf "-A KUBE-SEP-%d -p tcp -m comment --comment \"many/s%d\" -m tcp -j DNAT --to-destination %s:8080\n", i, i, to
        }
        print "COMMIT\n*filter\n:KUBE-FORWARD - [0:0]\n-A FORWARD -j KUBE-FORWARD\n-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP"
        print "-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT"
    }'
}

# As kube-proxy's nftables mode: a verdict map from address and port to the service's chain.
services_nft() {
    awk -v n="$1" 'BEGIN {
        print "table ip kube-proxy {"
        for (i = 0; i < n; i++) {
            to = i == n - 1 ? "10.8.2.2" : sprintf("10.200.%d.%d", int(i / 250), 1 + i % 250)
            printf " chain endpoint-%d { ip saddr %s jump mark-for-masquerade\n meta l4proto tcp dnat to %s:8080\n }\n", i, to, to
            printf " chain service-%d { numgen random mod 1 vmap { 0 : goto endpoint-%d }\n }\n", i, i
        }
        print " chain mark-for-masquerade { meta mark set meta mark or 0x4000\n }\n map service-ips { type ipv4_addr . inet_proto . inet_service : verdict\n elements = {"
        for (i = 0; i < n; i++) printf "%s10.96.%d.%d . tcp . 80 : goto service-%d", i ? ",\n" : "", 100 + int(i / 250), 1 + i % 250, i
        print "}\n }\n chain services { ip daddr . meta l4proto . th dport vmap @service-ips\n }"
        print " chain nat-prerouting { type nat hook prerouting priority dstnat; jump services\n }"
        print " chain nat-postrouting { type nat hook postrouting priority srcnat; meta mark & 0x4000 == 0 return\n masquerade fully-random\n }\n}"
    }'
}

# The client closes first and keeps the TIME_WAIT: one at the server would refuse the next connection of the same port when it comes by another way
# (direct or through the service, the server sees one and the same tuple, but the client's sequence numbers and time stamps differ).
# services_client NAMESPACE: its ports are free again after a second
services_client() { nsenter --net="/run/netns/$1" -- sysctl -qw net.ipv4.tcp_tw_reuse=1 net.ipv4.ip_local_port_range="10000 65000"; }

# services_once WHERE ADDRESS SECONDS
services_once() {
    local options=(tcp-crr --to "$2" --seconds "$3")
    case $1 in
        socket) lab_pod_exec "$bench_pod_client" chrt -f 1 taskset -c 0 pb-traffic "${options[@]}" ;;
        # The pod's network without its cgroup: no socket program sees the connection.
        packet) nsenter --net="/run/netns/$(jq -r .netns "$dir/pods/${bench_pod_client/\//_}.json")" -- chrt -f 1 taskset -c 0 "$traffic" "${options[@]}" ;;
        *) bench_in "$1" chrt -f 1 taskset -c 0 "$traffic" "${options[@]}" ;;
    esac
}

# services_probe ADDRESS: a script that tries once, from the client pod
services_probe() {
    printf "#!/bin/bash\necho \$\$ >%q/cgroup.procs && exec nsenter --net=/run/netns/%q -- %q probe --to %s --timeout 20\n" "$(jq -r .cgroup "$dir/pods/${bench_pod_client/\//_}.json")" \
        "$(jq -r .netns "$dir/pods/${bench_pod_client/\//_}.json")" "$traffic" "$1" >"$bench_dir/probe"
    chmod +x "$bench_dir/probe"
}

# services_size N ROUNDS SECONDS
services_size() {
    local n=$1 rounds=$2 seconds=$3 web vip begin
    web=$(lab_address "$bench_pod_web") vip=$(services_vip "$n")
    # No more than a thousand a file: an agent reads one whole.
    mkdir "$bench_dir/services-$n"
    services_manifest "$n" "$web" | jq -c '.items as $i | $i[0] as $namespace | range(1; $i | length; 2000) as $at | {apiVersion: "v1", kind: "List", items: ([$namespace] + $i[$at:$at + 2000])}' |
        awk -v d="$bench_dir/services-$n" '{f = sprintf("%s/%03d.json", d, NR); print > f; close(f)}'
    begin=$(date +%s%N)
    local file
    for file in "$bench_dir/services-$n"/*.json; do
        bench_client -n node1 manifests apply -f "$file" >/dev/null || { bench_say "the agent did not take $n services"; echo "$n services: not measured; the agent did not take them as manifests." >>"$bench_dir/notes"; return 1; }
    done
    services_probe "$vip:80"
    bench_tool until 120 -- "$bench_dir/probe" >/dev/null || { bench_say "service $n did not come"; echo "$n services: not measured; the last one had no connection after two minutes." >>"$bench_dir/notes"; return 1; }
    echo "$n services with 10 endpoints each, from the command to the first connection through the last one, manifest read and checked: $((($(date +%s%N) - begin) / 1000000)) ms." >>"$bench_dir/notes"
    local cases=("direct:socket:$web:8080" "direct again (A/A):socket:$web:8080" "service at the socket:socket:$vip:80" "service per packet:packet:$vip:80" "routed, no rules:plain-a:10.8.2.2:8080")
    if command -v iptables-legacy >/dev/null; then
        begin=$(date +%s%N)
        services_iptables "$n" | bench_in iptables-r iptables-legacy-restore -w || fail "iptables-legacy-restore"
        echo "$n services in iptables (legacy): loaded in $((($(date +%s%N) - begin) / 1000000)) ms." >>"$bench_dir/notes"
        cases+=("iptables:iptables-a:$vip:80")
    fi
    # nft 1.0.6 takes the better part of a minute for two chains a service at 10 000.
    if command -v nft >/dev/null && [ "$n" -le 1000 ]; then
        begin=$(date +%s%N)
        bench_in nft-r nft flush ruleset
        services_nft "$n" | bench_in nft-r nft -f - || fail "nft"
        echo "$n services in nftables: loaded in $((($(date +%s%N) - begin) / 1000000)) ms." >>"$bench_dir/notes"
        cases+=("nftables:nft-a:$vip:80")
    fi
    local round i name where address result
    bench_hurry
    for ((round = -1; round < rounds; round++)); do
        bench_say "$n services, round $((round + 1)) of $rounds"
        for ((i = 0; i < ${#cases[@]}; i++)); do
            IFS=: read -r name where address <<<"${cases[$(((i + round + 1) % ${#cases[@]}))]}"
            result=$(services_once "$where" "$address" "$seconds") || fail "$name: $result"
            [ "$(jq .transactions <<<"$result")" -gt 0 ] || fail "$name, $n services: no connection: $result"
            [ $round -lt 0 ] || {
                printf '%s\t%d\t%s\n' "$name" "$round" "$(jq .per_second <<<"$result")" >>"$bench_dir/crr-$n"
                printf '%s\t%d\t%s\n' "$name" "$round" "$(jq .connect_us.p50 <<<"$result")" >>"$bench_dir/connect-$n"
            }
        done
    done
    bench_rest
    for i in crr connect; do
        for name in "${cases[@]%%:*}"; do awk -F'\t' -v n="$name" '$1 == n' "$bench_dir/$i-$n"; done |
            bench_tool stats direct "$([ $i = crr ] && echo "connections a second" || echo "us until connected")" >"$bench_dir/$i-$n.md"
    done
}

bench_services() {
    local rounds seconds n sizes=(10 1000 10000) measured=() programming=
    bench_say "from tables into maps"
    chrt -r 1 java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xms24m -Xmx256m -Djnr.ffi.x86asm.enabled=false -cp "$(bench_classpath bundles/service-lb)" io.patchbay.servicelb.internal.ProgrammingBench "$(bench_of 10000 1000)" 10 3 >"$bench_dir/programming" 2>"$bench_dir/programming.log" ||
        { tail -5 "$bench_dir/programming.log" >&2; fail "ProgrammingBench"; }
    bench_lab
    kill -STOP "$(cat "$dir/kubelet.pid")"
    local kind
    for kind in plain iptables nft; do
        services_router "$kind"
        bench_serve "$kind-b" --tcp 8080
    done
    services_client "$(jq -r .netns "$dir/pods/${bench_pod_client/\//_}.json")"
    for kind in plain iptables nft; do services_client "$lab-$kind-a"; done
    rounds=$(bench_of 21 3) seconds=$(bench_of 0.3 0.2)
    [ -z "$bench_quick" ] || sizes=(10 1000)
    for n in "${sizes[@]}"; do
        services_size "$n" "$rounds" "$seconds" || break
        measured+=("$n")
    done
    kill -CONT "$(cat "$dir/kubelet.pid")"
    echo "## Figures"
    echo
    echo "| what | reach | found | |"
    echo "|---|---|---|---|"
    local first change
    first=$(sed -n 's/^round 1: .* in \([0-9]*\) ms.*/\1/p' "$bench_dir/programming")
    change=$(sed -n 's/^round 1: .*p99 \([0-9.]*\) ms.*/\1/p' "$bench_dir/programming")
    echo "| $(bench_of "10 000" "1 000") services with 10 backends each from tables to maps | at most 0.7 s | $first ms in a JVM just started, $(sed -n 's/^round 3: .* in \([0-9]*\) ms.*/\1/p' "$bench_dir/programming") ms in one that is warm | $(bench_verdict "$first" '<=' 700) |"
    echo "| one changed endpoint visible in the map | within 20 ms | p50 $(sed -n 's/^round 1: .*p50 \([0-9.]*\) ms.*/\1/p' "$bench_dir/programming") ms, p99 $change ms | $(bench_verdict "$change" '<=' 20) |"
    local path ratio interval low
    for n in "${measured[@]}"; do
        for path in "service at the socket" "service per packet"; do
            ratio=$(bench_row "$bench_dir/crr-$n.md" "$path" 4) interval=$(bench_row "$bench_dir/crr-$n.md" "$path" 5)
            low=${interval%%-*}
            echo "| CRR, $path of $n, against direct (A/A: $(bench_row "$bench_dir/crr-$n.md" "direct again (A/A)" 5)) | lower end at least 0.90 | $ratio [$interval] | $(bench_verdict "$low" '>=' 0.90) |"
        done
        local other mine=
        mine=$(bench_row "$bench_dir/crr-$n.md" "service at the socket" 4)
        for path in iptables nftables; do
            other=$(bench_row "$bench_dir/crr-$n.md" "$path" 4)
            [ -z "$other" ] || echo "| ahead of $path with $n services | ahead | $mine against $other | $(bench_verdict "$mine" '>' "$other") |"
        done
    done
    echo
    echo "## From tables to maps"
    echo
    echo "Synced tables, then the feature's component starts and fills empty maps; 200 changes of one endpoint, each until the map shows it. Each line is a new feature in the same JVM, which has real-time priority and the flags of the agent."
    echo
    sed 's/^/    /' "$bench_dir/programming"
    echo
    for n in "${measured[@]}"; do
        echo "## $n services, new connections"
        echo
        echo "TCP_CRR to the last of them, client and server on CPU 0; $rounds interleaved rounds of $seconds s. Rules stand in a router between client and server; routed without rules is what they are to be held against."
        echo
        cat "$bench_dir/crr-$n.md"
        echo
        cat "$bench_dir/connect-$n.md"
        echo
    done
    sed 's/^/- /' "$bench_dir/notes" 2>/dev/null || true
    echo
}
