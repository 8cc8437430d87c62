# Sourced by bench.sh: a connection through the last of N services against a direct one, and kube-proxy's rules of the same N beside it.

# Services FROM to N-1 and their slices, as files of a hundred each in the cluster's folder. The last leads to the web pod; each other one to ten
# addresses that nobody has.
services_manifests() {
    local folder=$dir/cluster/manifests
    mkdir -p "$bench_dir/manifests"
    echo '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "many"}}' >"$bench_dir/manifests/many.json"
    awk -v from="$1" -v n="$2" -v web="$3" -v into="$bench_dir/manifests/many-$1-" 'BEGIN {
        for (i = from; i < n; i++) {
            if ((i - from) % 100 == 0) {
                if (i > from) {print "]}" >file; close(file)}
                file = into int((i - from) / 100) ".json"
                print "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [" >file
            } else print "," >file
            ip = int(i / 250) "." 1 + i % 250
            printf "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"s%d\", \"namespace\": \"many\"}, \"spec\": {\"clusterIP\": \"10.112.%s\", \"ports\": [{\"port\": 80, \"targetPort\": 8080, \"protocol\": \"TCP\"}]}},\n", i, ip >file
            printf "{\"apiVersion\": \"discovery.k8s.io/v1\", \"kind\": \"EndpointSlice\", \"metadata\": {\"name\": \"s%d-1\", \"namespace\": \"many\", \"labels\": {\"kubernetes.io/service-name\": \"s%d\"}}, \"addressType\": \"IPv4\", \"ports\": [{\"port\": 8080, \"protocol\": \"TCP\"}], \"endpoints\": [", i, i >file
            for (e = 0; e < (i == n - 1 ? 1 : 10); e++) printf "%s{\"addresses\": [\"%s\"], \"conditions\": {\"ready\": true}}", (e ? ", " : ""), (i == n - 1 ? web : "10." 200 + e "." ip) >file
            print "]}" >file
        }
        print "]}" >file
    }'
    mv "$bench_dir"/manifests/*.json "$folder/"
}
services_vip() { echo "10.112.$((($1 - 1) / 250)).$((1 + ($1 - 1) % 250))"; }

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
            vip = sprintf("10.112.%d.%d", int(i / 250), 1 + i % 250)
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

# As kube-proxy's nftables mode writes them: a verdict map from address, protocol and port to the service's chain. services_nft BASE: what every
# set of rules has; services_nft FROM TO LAST: services FROM to TO-1, of which LAST leads to the server.
services_nft_base() {
    cat <<'RULES'
table ip kube-proxy {
 chain mark-for-masquerade { meta mark set meta mark or 0x4000
 }
 map service-ips { type ipv4_addr . inet_proto . inet_service : verdict
 }
 chain services { ip daddr . meta l4proto . th dport vmap @service-ips
 }
 chain nat-prerouting { type nat hook prerouting priority dstnat; jump services
 }
 chain nat-postrouting { type nat hook postrouting priority srcnat; meta mark & 0x4000 == 0 return
 masquerade fully-random
 }
}
RULES
}
services_nft() {
    awk -v from="$1" -v to="$2" -v last="$3" 'BEGIN {
        print "table ip kube-proxy {"
        for (i = from; i < to; i++) {
            at = i == last ? "10.8.2.2" : sprintf("10.200.%d.%d", int(i / 250), 1 + i % 250)
            printf " chain endpoint-%d { ip saddr %s jump mark-for-masquerade\n meta l4proto tcp dnat to %s:8080\n }\n", i, at, at
            printf " chain service-%d { numgen random mod 1 vmap { 0 : goto endpoint-%d }\n }\n", i, i
        }
        print " map service-ips { type ipv4_addr . inet_proto . inet_service : verdict\n elements = {"
        for (i = from; i < to; i++) printf "%s10.112.%d.%d . tcp . 80 : goto service-%d", (i > from ? ",\n" : ""), int(i / 250), 1 + i % 250, i
        print "}\n }\n}"
    }'
}

# The client closes first and keeps the TIME_WAIT: one at the server would refuse the next connection of the same port when it comes by another way
# (direct or through the service, the server sees one and the same tuple, but the client's sequence numbers and time stamps differ).
# services_client NAMESPACE: its ports are free again after a second
services_client() { nsenter --net="/run/netns/$1" -- sysctl -qw net.ipv4.tcp_tw_reuse=1; }

# services_ports WHERE CASE: each case connects from ports of its own. With common ones, a connection through the service and the direct one that had the
# port before would be the same to the server, and conntrack would give many another port.
services_ports() {
    local ns=/run/netns/$lab-$1 low=$((10000 + 7900 * $2))
    case $1 in socket|packet) ns=$bench_client_netns ;; esac
    nsenter --net="$ns" -- sysctl -qw net.ipv4.ip_local_port_range="$low $((low + 7899))"
}

# services_once WHERE ADDRESS SECONDS
services_once() {
    local run=(chrt -f 1 taskset -c 0 "$traffic" tcp-crr --to "$2" --seconds "$3")
    case $1 in
        socket) (echo "$BASHPID" >"$bench_client_cgroup/cgroup.procs" && exec nsenter --net="$bench_client_netns" -- "${run[@]}") ;;
        # The pod's network without its cgroup: no socket program sees the connection.
        packet) nsenter --net="$bench_client_netns" -- "${run[@]}" ;;
        *) nsenter --net="/run/netns/$lab-$1" -- "${run[@]}" ;;
    esac
}

# services_probe ADDRESS: a script that tries once, from the client pod
services_probe() {
    printf "#!/bin/bash\necho \$\$ >%q/cgroup.procs && exec nsenter --net=/run/netns/%q -- %q probe --to %s --timeout 20\n" "$bench_client_cgroup" \
        "${bench_client_netns##*/}" "$traffic" "$1" >"$bench_dir/probe"
    chmod +x "$bench_dir/probe"
}

services_note() { echo "$*" >>"$bench_dir/notes"; }
services_since() { echo $((($(date +%s%N) - $1) / 1000000)); }

# services_load FROM N: the rules of N services, of which FROM are there; adds to `cases` what can be measured
services_load() {
    local from=$1 n=$2 web vip begin at to
    web=$(lab_address "$bench_pod_web") vip=$(services_vip "$n")
    cases=("direct:socket:$web:8080" "direct again (A/A):socket:$web:8080")
    services_probe "$vip:80"
    services_manifests "$from" "$n" "$web"
    begin=$(date +%s%N)
    if bench_tool until 120 -- "$bench_dir/probe" >/dev/null; then
        services_note "$n services: $((n - from)) more with 10 endpoints each as files of a hundred in the cluster's folder, until the first connection through the last one: $(services_since "$begin") ms. VmRSS of the agent $(services_rss) MiB."
        cases+=("service at the socket:socket:$vip:80" "service per packet:packet:$vip:80")
    else
        services_note "$n services here: **not measured**, the agent did not serve the last one within two minutes."
    fi
    cases+=("routed, no rules:plain-a:10.8.2.2:8080")
    if command -v iptables-legacy-restore >/dev/null; then
        services_iptables "$n" >"$bench_dir/rules"
        begin=$(date +%s%N)
        if bench_in iptables-r iptables-legacy-restore -w <"$bench_dir/rules"; then
            services_note "$n services in iptables (legacy): one iptables-restore, $(services_since "$begin") ms."
            cases+=("iptables:iptables-a:$vip:80")
        else
            services_note "$n services in iptables: **not measured**, iptables-legacy-restore failed."
        fi
    else
        services_note "$n services in iptables: **not measured**, there is no iptables-legacy-restore."
    fi
    if command -v nft >/dev/null; then
        # For the name of each anonymous map, of which a service has one, the kernel goes through all that there are, and through those of its own
        # transaction twice: half the time in transactions of 500, and yet a hundred seconds for thirty thousand.
        begin=$(date +%s%N)
        for ((at = from; at < n; at = to)); do
            to=$((n - at > 500 ? at + 500 : n))
            services_nft "$at" "$to" $((n - 1)) >"$bench_dir/rules"
            bench_in nft-r nft -f "$bench_dir/rules" || break
        done
        if [ "$at" = "$n" ]; then
            services_note "$n services in nftables: $((n - from)) more with $(((n - from + 499) / 500)) transaction(s) of at most 500 (nft -f), $(services_since "$begin") ms."
            cases+=("nftables:nft-a:$vip:80")
        else
            services_note "$n services in nftables: **not measured**, nft -f failed at service $at."
        fi
    else
        services_note "$n services in nftables: **not measured**, there is no nft."
    fi
}

services_rss() { awk '/^VmRSS/ {printf "%d", $2 / 1024}' "/proc/$(cat "$dir/node1/agent.pid")/status"; }

# services_size FROM N ROUNDS SECONDS
services_size() {
    local n=$2 rounds=$3 seconds=$4 cases=() round i c name where address result
    services_load "$1" "$n"
    bench_hurry
    bench_say "$n services: $rounds rounds of ${#cases[@]} cases"
    for ((round = -1; round < rounds; round++)); do
        for ((i = 0; i < ${#cases[@]}; i++)); do
            c=$(((i + round + 1) % ${#cases[@]}))
            IFS=: read -r name where address <<<"${cases[c]}"
            services_ports "$where" "$c"
            result=$(services_once "$where" "$address" "$seconds") || fail "$name: $result"
            printf '%s\t%d\t%s\n' "$name" $round "$result" >>"$bench_dir/raw-$n"
        done
    done
    bench_rest
    # Read afterwards: between two measurements it would only keep them apart.
    jq -rR 'split("\t") | .[0] as $name | .[1] as $round | (.[2] | fromjson) | if .transactions > 0 then select(($round | tonumber) >= 0) |
        "\($name)\t\($round)\t\(.per_second)\t\(.connect_us.p50)\t\(.connect_us.p99)" else error("\($name), round \($round): no connection") end' "$bench_dir/raw-$n" >"$bench_dir/all-$n" || fail "$n services"
    local k
    for i in "3 crr connections a second" "4 p50 us until connected, p50" "5 p99 us until connected, p99"; do
        read -r k where name <<<"$i"
        for address in "${cases[@]}"; do awk -F'\t' -v n="${address%%:*}" -v k="$k" '$1 == n {print $1 "\t" $2 "\t" $k}' "$bench_dir/all-$n"; done |
            bench_tool stats direct "$name" >"$bench_dir/$where-$n.md"
        awk -F'\t' -v n="$n" -v k="$k" '{print n "\t" $1 "\t" $2 "\t" $k}' "$bench_dir/all-$n" >>"$bench_dir/$where"
    done
}

# One line a case over N, of the tables' medians: services_plot FILE SIZES...
services_plot() {
    local out=$1 n name
    shift
    for n in "$@"; do
        for name in "direct again (A/A)" "service at the socket" "service per packet" iptables nftables; do
            printf '%s\t%s\t%s\t%s\t%s\n' "$n" "$name" "$(bench_row "$bench_dir/crr-$n.md" "$name" 4)" "$(bench_row "$bench_dir/p50-$n.md" "$name" 3)" "$(bench_row "$bench_dir/p99-$n.md" "$name" 3)"
        done
    done | awk -F'\t' '
        function x(n) {return 70 + 420 * (log(n) - log(10)) / (log(30000) - log(10))}
        function yr(v) {return 260 - 200 * v / 1.1}
        function yl(v) {return 260 - 200 * (log(v) - log(10)) / (log(10000) - log(10))}
        $3 != "" {if (!($2 in color)) {color[$2] = 1; order[++names] = $2} N[$2] = N[$2] " " $1; R[$2, $1] = $3; P[$2, $1] = $4; Q[$2, $1] = $5}
        END {
            split("#888888 #1f77b4 #17a0a8 #d62728 #e08a1e", hue, " ")
            print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1060 380\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"1060\" height=\"380\" fill=\"white\"/>"
            for (g = 0; g < 2; g++) {
                printf "<g transform=\"translate(%d,30)\">\n<text x=\"70\" y=\"25\" font-size=\"14\">%s</text>\n", g * 530, g ? "microseconds until connected: p50, and p99 dashed" : "connections a second, ratio to the pod\x27s own address"
                if (g) for (v = 10; v <= 10000; v *= 10) printf "<line x1=\"70\" x2=\"490\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"62\" y=\"%.1f\" text-anchor=\"end\">%d</text>\n", yl(v), yl(v), yl(v) + 4, v
                else for (v = 0; v < 1.05; v += .25) printf "<line x1=\"70\" x2=\"490\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"62\" y=\"%.1f\" text-anchor=\"end\">%.2f</text>\n", yr(v), yr(v), yr(v) + 4, v
                k = split("10 100 1000 10000 30000", tick, " ")
                for (i = 1; i <= k; i++) printf "<text x=\"%.1f\" y=\"278\" text-anchor=\"middle\">%d</text>\n", x(tick[i]), tick[i]
                print "<text x=\"280\" y=\"296\" text-anchor=\"middle\">services</text>"
                for (c = 1; c <= names; c++) {
                    name = order[c]; k = split(N[name], n, " ")
                    for (part = 0; part <= g; part++) {
                        printf "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s points=\"", hue[c], part ? " stroke-dasharray=\"4 3\"" : ""
                        for (i = 1; i <= k; i++) printf "%.1f,%.1f ", x(n[i]), g ? yl(part ? Q[name, n[i]] : P[name, n[i]]) : yr(R[name, n[i]])
                        print "\"/>"
                    }
                }
                print "</g>"
            }
            for (c = 1; c <= names; c++) printf "<line x1=\"%d\" x2=\"%d\" y1=\"355\" y2=\"355\" stroke=\"%s\" stroke-width=\"3\"/><text x=\"%d\" y=\"359\">%s</text>\n", 70 + (c - 1) * 190, 95 + (c - 1) * 190, hue[c], 100 + (c - 1) * 190, order[c]
            print "</svg>"
        }' >"$out"
}

# services_programming SERVICES ROUNDS ALGORITHM: ProgrammingBench with the flags of the agent
services_programming() {
    local flags
    flags=$(sed -n 's/^exec "$java" \(.*\) \\$/\1/p' "$root/distribution/bin/patchbay-agent")
    # shellcheck disable=SC2086
    chrt -r 1 java $flags -Djnr.ffi.x86asm.enabled=false ${PATCHBAY_JAVA_OPTS:-} -cp "$(bench_classpath bundles/service-lb)" io.patchbay.servicelb.internal.ProgrammingBench "$1" 10 "$2" "$3" \
        >"$bench_dir/programming-$1-$3" 2>"$bench_dir/programming.log" || { tail -5 "$bench_dir/programming.log" >&2; fail "ProgrammingBench"; }
}
# services_programmed SERVICES ALGORITHM ROUND PATTERN
services_programmed() { sed -n "s/^round $3: $4/\\1/p" "$bench_dir/programming-$1-$2"; }

bench_services() {
    local rounds seconds n from=0 sizes=(10 1000 5000 10000 30000) small large path
    small=$(bench_of 10000 1000) large=$(bench_of 30000 3000)
    [ -z "$bench_quick" ] || sizes=(10 1000)
    rounds=$(bench_of 21 3) seconds=0.2
    bench_need iptables-legacy-restore iptables
    bench_need nft nftables
    bench_say "from tables into maps"
    services_programming "$small" 3 random
    services_programming "$large" 2 random
    services_programming "$large" 2 maglev
    bench_lab
    # The other node would read and write the same again beside it.
    kill -STOP "$(cat "$dir/kubelet.pid")" "$(cat "$dir/node2/agent.pid")"
    local pod=$dir/pods/${bench_pod_client/\//_}.json
    bench_client_cgroup=$(jq -r .cgroup "$pod") bench_client_netns=/run/netns/$(jq -r .netns "$pod")
    local kind
    for kind in plain iptables nft; do
        services_router "$kind"
        bench_serve "$kind-b" --tcp 8080
    done
    ! command -v nft >/dev/null || services_nft_base | bench_in nft-r nft -f - || fail "nft"
    services_client "${bench_client_netns##*/}"
    for kind in plain iptables nft; do services_client "$lab-$kind-a"; done
    for n in "${sizes[@]}"; do
        services_size "$from" "$n" "$rounds" "$seconds"
        from=$n
    done
    local rss
    sleep 15
    rss=$(services_rss)
    kill -CONT "$(cat "$dir/kubelet.pid")" "$(cat "$dir/node2/agent.pid")"

    echo "## Figures"
    echo
    echo "| what | reach | found | |"
    echo "|---|---|---|---|"
    local first change memory
    first=$(services_programmed "$small" random 1 '.* in \([0-9]*\) ms.*')
    echo "| $small services with 10 backends each from tables to maps | at most 0.7 s | $first ms in a JVM just started, $(services_programmed "$small" random 3 '.* in \([0-9]*\) ms.*') ms in one that is warm | $(bench_verdict "$first" '<=' 700) |"
    first=$(services_programmed "$large" random 1 '.* in \([0-9]*\) ms.*') memory=$(services_programmed "$large" random 1 '.*kernel memory \([0-9]*\) MiB.*')
    echo "| all of $large with 10 backends each, random selection, kernel memory stated | at most 2 s | $first ms in a JVM just started, $memory MiB in the kernel | $(bench_verdict "$first" '<=' 2000) |"
    first=$(services_programmed "$large" maglev 1 '.* in \([0-9]*\) ms.*') memory=$(services_programmed "$large" maglev 1 '.*kernel memory \([0-9]*\) MiB.*')
    echo "| the same with Maglev for all | at most 6 s | $first ms in a JVM just started, $memory MiB in the kernel | $(bench_verdict "$first" '<=' 6000) |"
    change=$(services_programmed "$large" random 1 '.*p99 \([0-9.]*\) ms.*')
    echo "| one endpoint changed at $large, from table to map | at most 20 ms | p50 $(services_programmed "$large" random 1 '.*p50 \([0-9.]*\) ms.*') ms, p99 $change ms | $(bench_verdict "$change" '<=' 20) |"
    echo "| memory of the agent with ${sizes[-1]} services of 10 backends each (VmRSS, all its features, the cluster's objects included) | at most 350 MiB | $rss MiB | $(bench_verdict "$rss" '<=' 350) |"
    local ratio interval low slope other mine band
    for n in "${sizes[@]}"; do
        band=$(bench_row "$bench_dir/crr-$n.md" "direct again (A/A)" 5)
        for path in "service at the socket" "service per packet"; do
            ratio=$(bench_row "$bench_dir/crr-$n.md" "$path" 4) interval=$(bench_row "$bench_dir/crr-$n.md" "$path" 5)
            [ -n "$ratio" ] || { echo "| CRR, $path, last of $n, against direct | lower end at least 0.90 | not measured | **not reached** |"; continue; }
            low=${interval%%-*}
            echo "| CRR, $path, last of $n, against direct | median within the A/A band ($band), lower end at least 0.90 | $ratio [$interval] | $(bench_verdict "$low" '>=' 0.90)$(jq -en "$ratio >= ${band%%-*}" >/dev/null || echo ", median below the band") |"
        done
    done
    for path in "service at the socket" "service per packet"; do
        read -r slope low other <<<"$(bench_tool slope direct "$path" <"$bench_dir/crr" 2>/dev/null || echo "0 1 1")"
        echo "| CRR, $path: flat in N (change of the ratio for 10 000 services more) | interval includes 0 | $slope [$low to $other] | $(jq -en "($low) <= 0 and ($other) >= 0" >/dev/null && echo reached || echo "**not reached**") |"
    done
    for n in "${sizes[@]}"; do
        mine=$(bench_row "$bench_dir/crr-$n.md" "service at the socket" 4)
        for path in iptables nftables; do
            other=$(bench_row "$bench_dir/crr-$n.md" "$path" 4)
            if [ -n "$other" ] && [ -n "$mine" ]; then echo "| ahead of $path with $n services, at the socket (per packet) | ahead | $mine ($(bench_row "$bench_dir/crr-$n.md" "service per packet" 4)) against $other | $(bench_verdict "$mine" '>' "$other") |"
            else echo "| ahead of $path with $n services | ahead | not measured | |"; fi
        done
    done
    echo
    services_plot "$bench_dir/plot.svg" "${sizes[@]}"
    if [ -z "$bench_quick" ]; then
        cp "$bench_dir/plot.svg" "$root/docs/benchmarks/services.svg"
        chmod 644 "$root/docs/benchmarks/services.svg"
        echo "![connections and latency over the number of services](services.svg)"
        echo
    fi
    echo "## From tables to maps"
    echo
    echo "Synced tables, then the feature's component starts and fills empty maps; 200 changes of one endpoint, each until the map shows it. Each line is a new feature in the same JVM, which has real-time priority and the flags of the agent. Kernel memory is what the kernel says of the maps (memlock in fdinfo). Random selection, then Maglev for all."
    echo
    grep -h '^round' "$bench_dir"/programming-*-random "$bench_dir"/programming-*-maglev | sed 's/^/    /'
    echo
    for n in "${sizes[@]}"; do
        echo "## $n services, new connections"
        echo
        echo "TCP_CRR to the last of them, client and server on CPU 0; $rounds interleaved rounds of $seconds s. Rules stand in a router between client and server; routed without rules is what they are to be held against. The first packet's latency is the time until the connection stands."
        echo
        for path in crr p50 p99; do
            cat "$bench_dir/$path-$n.md"
            echo
        done
    done
    echo "## What loading costs"
    echo
    sed 's/^/- /' "$bench_dir/notes" 2>/dev/null || true
    echo
}
