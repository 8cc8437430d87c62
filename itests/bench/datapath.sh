# Sourced by bench.sh: two pods of one node against what else could connect them, and the cost of the programs alone.

# bench_link NS PEER: two namespaces with a veth pair between them
datapath_direct() {
    bench_netns direct-a
    bench_netns direct-b
    ip -n "$lab-direct-a" link add eth0 type veth peer name eth0 netns "$lab-direct-b"
    ip -n "$lab-direct-a" address add 10.9.1.1/24 dev eth0
    ip -n "$lab-direct-b" address add 10.9.1.2/24 dev eth0
    ip -n "$lab-direct-a" link set eth0 up
    ip -n "$lab-direct-b" link set eth0 up
}

# datapath_bridge NAME NET: a bridge in NAME-br with two hosts
datapath_bridge() {
    local host n=0
    bench_netns "$1-br"
    ip -n "$lab-$1-br" link add br0 type bridge
    ip -n "$lab-$1-br" link set br0 up
    for host in a b; do
        n=$((n + 1))
        bench_netns "$1-$host"
        ip -n "$lab-$1-br" link add "to-$host" type veth peer name eth0 netns "$lab-$1-$host"
        ip -n "$lab-$1-br" link set "to-$host" master br0 up
        ip -n "$lab-$1-$host" address add "$2.$n/24" dev eth0
        ip -n "$lab-$1-$host" link set eth0 up
    done
}

# What Patchbay does for the two pods, said in iptables: sender's address at its port, state, and the port that policy allows.
datapath_rules() {
    bench_in filtered-br sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null || return 1
    bench_in filtered-br iptables -w -P FORWARD DROP || return 1
    bench_in filtered-br sh -ec '
        iptables -A FORWARD -m physdev --physdev-in to-a ! -s 10.9.3.1 -j DROP
        iptables -A FORWARD -m physdev --physdev-in to-b ! -s 10.9.3.2 -j DROP
        iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP
        iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
        iptables -A FORWARD -s 10.9.3.1 -d 10.9.3.2 -p tcp --dport 8080 -m conntrack --ctstate NEW -j ACCEPT
        iptables -A FORWARD -s 10.9.3.1 -d 10.9.3.2 -p udp --dport 8080 -m conntrack --ctstate NEW -j ACCEPT'
}

# datapath_once CASE MODE ADDRESS SECONDS: transactions a second
datapath_once() {
    local options=(--to "$3" --seconds "$4")
    case $2 in tcp-rr) options+=(--connections 1) ;; tcp-crr) options+=(--server-closes) ;; esac
    case $1 in
        pod) lab_pod_exec "$bench_pod_client" chrt -f 1 taskset -c 0 pb-traffic "$2" "${options[@]}" ;;
        *) bench_in "$1" chrt -f 1 taskset -c 0 "$traffic" "$2" "${options[@]}" ;;
    esac
}

# Small numbers in network order as hexadecimal digits.
datapath_hex() { local octets; IFS=. read -ra octets <<<"$1"; printf '%02x%02x%02x%02x' "${octets[@]}"; }

# datapath_frame DESTINATION-MAC SOURCE-MAC SOURCE DESTINATION PROTOCOL L4: a whole frame in hexadecimal
datapath_frame() {
    local l4=$6 length head sum=0 i
    length=$((20 + ${#l4} / 2))
    head=$(printf '4500%04x000040004%01x%02x0000%s%s' "$length" 0 "$5" "$(datapath_hex "$3")" "$(datapath_hex "$4")")
    for ((i = 0; i < 40; i += 4)); do sum=$((sum + 0x${head:i:4})); done
    while [ $((sum >> 16)) -gt 0 ]; do sum=$(((sum & 0xffff) + (sum >> 16))); done
    head=${head:0:20}$(printf '%04x' $((sum ^ 0xffff)))${head:24}
    printf '%s%s0800%s%s' "${1//:/}" "${2//:/}" "$head" "$l4"
}

# datapath_device POD: "ifindex-on-node MAC-of-pod MAC-of-the-node's-end address"
datapath_device() {
    local ns index
    ns=$(jq -r .netns "$dir/pods/${1/\//_}.json")
    index=$(ip -n "$ns" -j link show eth0 | jq '.[0].link_index')
    echo "$index $(ip -n "$ns" -j link show eth0 | jq -r '.[0].address') $(lab_in node1 ip -j link | jq -r --argjson i "$index" '.[] | select(.ifindex == $i) | .address') $(lab_address "$1")"
}

datapath_kernel() {
    local c cm ch ca w wm wh wa program syn ack data reply udp result name rounds repeat
    read -r c cm ch ca <<<"$(datapath_device "$bench_pod_client")"
    read -r w wm wh wa <<<"$(datapath_device "$bench_pod_web")"
    program=$(lab_pins)/node1/core/pb_pod_egress
    rounds=$(bench_of 21 5) repeat=$(bench_of 100000 20000)
    # Ports 40001 -> 8080 for TCP, 40002 -> 8080 for UDP; 16 bytes of payload.
    local payload=45424344454647484142434445464748
    syn=$(datapath_frame "$ch" "$cm" "$ca" "$wa" 6 9c411f900000000100000000500220000000000000000000)
    ack=$(datapath_frame "$wh" "$wm" "$wa" "$ca" 6 1f909c410000000100000002501220000000000000000000)
    data=$(datapath_frame "$ch" "$cm" "$ca" "$wa" 6 "9c411f9000000002000000025018200000000000$payload")
    reply=$(datapath_frame "$wh" "$wm" "$wa" "$ca" 6 "1f909c4100000002000000125018200000000000$payload")
    udp=$(datapath_frame "$ch" "$cm" "$ca" "$wa" 17 "9c421f9000180000$payload")
    echo "| packet, pod to pod of one node | ns | 5-95 % of the rounds |"
    echo "|---|---|---|"
    while IFS=$'\t' read -r name result; do
        [ "$(jq .verdict <<<"$result")" = 7 ] || fail "the packet '$name' is not delivered: $result"
        echo "| $name | $(jq .ns <<<"$result") | $(jq -r '"\(.low)-\(.high)"' <<<"$result") |"
        [ "$name" != "TCP data on an open connection" ] || datapath_path_ns=$(jq .ns <<<"$result")
    done < <(
        run() { printf '%s\t' "$1"; shift; lab_in node1 taskset -c 1 "$bench_bin/pb-bench" testrun --prog "$program" --rounds "$rounds" --repeat "$repeat" "$@"; }
        run "TCP data on an open connection" --ifindex "$c" --frame "$data" --prepare "$syn@$c" --prepare "$ack@$w"
        run "its answer" --ifindex "$w" --frame "$reply" --prepare "$syn@$c" --prepare "$ack@$w" --prepare "$data@$c"
        run "UDP" --ifindex "$c" --frame "$udp"
    )
}

bench_datapath() {
    local seconds rounds mode round case filtered=1
    bench_lab
    bench_say "topologies"
    datapath_direct
    datapath_bridge bridge 10.9.2
    datapath_bridge filtered 10.9.3
    datapath_rules 2>"$bench_dir/rules" || filtered=
    bench_serve direct-b --tcp 8080
    bench_serve bridge-b --tcp 8080
    bench_serve filtered-b --tcp 8080
    seconds=$(bench_of 0.3 0.2) rounds=$(bench_of 31 5)
    local web cases=("veth pair:direct-a:10.9.1.2" "veth pair again (A/A):direct-a:10.9.1.2" "bridge, bare:bridge-a:10.9.2.2")
    web=$(lab_address "$bench_pod_web")
    [ -z "$filtered" ] || cases+=("bridge, br_netfilter, conntrack, equal rules:filtered-a:10.9.3.2")
    cases+=("Patchbay, all features on:pod:$web")
    bench_hurry
    for ((round = -1; round < rounds; round++)); do
        bench_say "round $((round + 1)) of $rounds"
        # Every round begins with another case: none is always the first after a pause.
        local n=${#cases[@]} i name ns address
        for mode in tcp-rr tcp-crr; do
            for ((i = 0; i < n; i++)); do
                IFS=: read -r name ns address <<<"${cases[$(((i + round + 1) % n))]}"
                case=$(datapath_once "$ns" "$mode" "$address:8080" "$seconds") || fail "$name: $case"
                [ $round -lt 0 ] || printf '%s\t%d\t%s\n' "$name" "$round" "$(jq .per_second <<<"$case")" >>"$bench_dir/$mode"
            done
        done
    done
    bench_rest
    local order
    order=$(printf '%s\n' "${cases[@]%%:*}")
    for mode in tcp-rr tcp-crr; do
        # In the order of the list, whichever came first in a round.
        while read -r name; do grep -F "$name"$'\t' "$bench_dir/$mode"; done <<<"$order" | sort -su >"$bench_dir/$mode.all"
        while read -r name; do awk -F'\t' -v n="$name" '$1 == n' "$bench_dir/$mode.all"; done <<<"$order" | bench_tool stats "veth pair" "a second" >"$bench_dir/$mode.md"
    done
    bench_say "inside the kernel"
    datapath_kernel >"$bench_dir/kernel.md"
    datapath_path_ns=$(awk -F'|' '/TCP data/ {print $3 + 0}' "$bench_dir/kernel.md")
    local rr crr bridge
    rr=$(bench_row "$bench_dir/tcp-rr.md" "Patchbay, all features on" 4)
    crr=$(bench_row "$bench_dir/tcp-crr.md" "Patchbay, all features on" 4)
    echo "## Figures"
    echo
    echo "| what | reach | found | |"
    echo "|---|---|---|---|"
    echo "| TCP_RR against a veth pair | at least 0.80 | $rr [$(bench_row "$bench_dir/tcp-rr.md" "Patchbay, all features on" 5)] | $(bench_verdict "$rr" '>=' 0.80) |"
    echo "| TCP_CRR against a veth pair | at least 0.85 | $crr [$(bench_row "$bench_dir/tcp-crr.md" "Patchbay, all features on" 5)] | $(bench_verdict "$crr" '>=' 0.85) |"
    if [ -n "$filtered" ]; then
        for mode in tcp-rr tcp-crr; do
            bridge=$(bench_row "$bench_dir/$mode.md" "bridge, br_netfilter, conntrack, equal rules" 4)
            echo "| $mode ahead of the bridge with rules | ahead | $(bench_row "$bench_dir/$mode.md" "Patchbay, all features on" 4) against $bridge | $(bench_verdict "$(bench_row "$bench_dir/$mode.md" "Patchbay, all features on" 4)" '>' "$bridge") |"
        done
    else
        echo "| ahead of the bridge with rules | ahead | not measured: $(tail -1 "$bench_dir/rules") | |"
    fi
    echo "| whole path pod to pod inside the kernel | at most 1000 ns | $datapath_path_ns ns | $(bench_verdict "$datapath_path_ns" '<=' 1000) |"
    echo
    echo "## Same node, TCP_RR"
    echo
    echo "One connection, 64 bytes each way; client and server on CPU 0 with real-time priority. $rounds interleaved rounds of $seconds s. The A/A row is the same veth pair once more: what it differs from 1 by is noise."
    echo
    cat "$bench_dir/tcp-rr.md"
    echo
    echo "## Same node, TCP_CRR"
    echo
    echo "A new connection for every transaction, closed by FIN; otherwise the same."
    echo
    cat "$bench_dir/tcp-crr.md"
    echo
    echo "## Inside the kernel"
    echo
    echo "BPF_PROG_TEST_RUN on the pinned programs of node1: preamble, every stage of pod-egress and of pod-ingress (entered by tail call), up to the redirect into the pod, which is not carried out. Less the cost of giving each run the same packet. No other hook of ours sees such a packet."
    echo
    cat "$bench_dir/kernel.md"
    echo
}
