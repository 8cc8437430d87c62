# Sourced by ./patchbay: a cluster in miniature. Everything of a lab is below $PATCHBAY_RUN/NAME, in namespaces NAME-*, in the cgroup
# patchbay/NAME and below the pins patchbay/NAME; the file "namespaces" names each namespace before it is made.

lab_usage() {
    cat <<'TEXT'
Usage: patchbay [--lab NAME] lab [up|down|status|exec|apply|delete|get]

  lab [up] [--no-check] [--dual-stack]
                                    starts two nodes with the workloads of config/lab, waits until they are ready, shows them;
                                    with --dual-stack everything has an IPv6 address beside its IPv4 one
  lab down                          ends it and removes every trace
  lab status [-o json]              nodes and pods: namespaces, addresses, sockets, cgroups, processes
  lab exec NAMESPACE/POD -- CMD...  runs a command in a pod
  lab exec NODE -- CMD...           runs a command on a node (node1, node2, outside)
  lab apply -f FILE|DIR             applies Kubernetes YAML, whole or not at all
  lab delete -f FILE|DIR            takes it back
  lab get KIND [-o json]            objects of the cluster
  lab check                         the connectivity table
  lab restart NODE [--wait S]       kills the agent of a node (SIGKILL) and starts it again after S seconds
TEXT
}

# For tests: fewer nodes, other workloads.
read -ra lab_nodes <<<"${PATCHBAY_LAB_NODES:-node1 node2}"
lab_manifests=${PATCHBAY_LAB_MANIFESTS:-$root/config/lab}
# Seconds that a node has to become ready.
lab_patience=${PATCHBAY_LAB_PATIENCE:-120}
declare -A lab_ip=([node1]=172.18.0.11 [node2]=172.18.0.12)
lab_outside_ip=172.18.0.2 lab_outside_service=203.0.113.10
# IPv6 of a dual-stack lab; the file "dual-stack" marks one.
declare -A lab_ip6=([node1]=fd00:172:18::11 [node2]=fd00:172:18::12)
lab_outside_ip6=fd00:172:18::2 lab_outside_service6=2001:db8:113::10

lab_main() {
    lab=$PATCHBAY_LAB
    case $lab in *[!a-z0-9-]*|''|-*) wrong "a lab's name is made of a-z, 0-9 and -, not '$lab'" ;; esac
    [ ${#lab} -le 20 ] || wrong "a lab's name has at most 20 letters"
    dir=$PATCHBAY_RUN/$lab
    case ${1:-up} in
        -h|--help|help) lab_usage; return ;;
    esac
    need_root "lab ${1:-up}"
    local verb=${1:-up}
    [ $# = 0 ] || shift
    case $verb in
        up) lab_up "$@" ;;
        down) [ $# = 0 ] || wrong "lab down takes no arguments; another lab: patchbay --lab NAME lab down"; lab_down ;;
        status) lab_status "$@" ;;
        exec) lab_exec "$@" ;;
        apply|delete) lab_files "$verb" "$@" ;;
        get) lab_running; exec "$client" --lab "$lab" -n "${lab_nodes[0]}" manifests get "$@" ;;
        check) [ $# = 0 ] || wrong "lab check takes no arguments"; lab_running; lab_connectivity ;;
        restart) lab_running; lab_restart "$@" ;;
        *) lab_usage >&2; exit 2 ;;
    esac
}

lab_is_dual() { [ -e "$dir/dual-stack" ]; }
lab_running() { [ -d "$dir" ] || fail "there is no lab '$lab': patchbay lab up"; }
lab_in() { local ns=$1; shift; nsenter --net="/run/netns/$lab-$ns" -- "$@"; }
lab_cgroup() { echo "$(setup_cgroup2)/patchbay/$lab"; }
lab_pins() { echo "/sys/fs/bpf/patchbay/$lab"; }
# Programs that pods find: the sample workloads' own.
lab_bin() { echo "$root/distribution/lab/target/bin"; }
lab_dist() { echo "${PATCHBAY_DISTRIBUTION:-$root/distribution/target/standard}"; }

lab_netns() {
    echo "$lab-$1" >>"$dir/namespaces"
    ip netns add "$lab-$1"
    ip -n "$lab-$1" link set lo up
}

# The underlay: a switch in a namespace of its own, each node and the outside host on one of its ports, and no way out to this machine.
lab_network() {
    lab_netns switch
    ip -n "$lab-switch" link add br0 type bridge
    ip -n "$lab-switch" link set br0 up
    local host
    for host in outside "${lab_nodes[@]}"; do
        lab_netns "$host"
        ip -n "$lab-switch" link add "to-$host" type veth peer name eth0 netns "$lab-$host"
        ip -n "$lab-switch" link set "to-$host" master br0 up
        ip -n "$lab-$host" link set eth0 up
    done
    for host in "${lab_nodes[@]}"; do
        ip -n "$lab-$host" address add "${lab_ip[$host]}/24" dev eth0
        ip -n "$lab-$host" route add default via "$lab_outside_ip"
    done
    # The outside host knows no route to any pod: only a masqueraded connection gets an answer from it.
    ip -n "$lab-outside" address add "$lab_outside_ip/24" dev eth0
    ip -n "$lab-outside" address add "$lab_outside_service/32" dev lo
    lab_is_dual || return 0
    for host in "${lab_nodes[@]}"; do
        ip -n "$lab-$host" address add "${lab_ip6[$host]}/64" dev eth0 nodad
        ip -n "$lab-$host" route add default via "$lab_outside_ip6"
    done
    ip -n "$lab-outside" address add "$lab_outside_ip6/64" dev eth0 nodad
    ip -n "$lab-outside" address add "$lab_outside_service6/128" dev lo nodad
}

lab_start_agent() {
    local node=$1 home=$dir/$1 cgroup
    cgroup=$(lab_cgroup)/$node
    mkdir -p "$home/state" "$cgroup/agent" "$cgroup/pods"
    # That of its predecessor, which is not to be taken for this one.
    rm -f "$home/agent.pid"
    chmod 700 "$home"
    # The variable is for the kubelet's and the agent's processes alone: the lab's name tells them apart in a list of processes.
    setsid bash -c 'echo $$ >"$0/agent/cgroup.procs"; echo $$ >"$1/agent.pid"; exec nsenter --net="$2" -- "${@:3}"' \
        "$cgroup" "$home" "/run/netns/$lab-$node" \
        "$(lab_dist)/bin/patchbay-agent" --node-name "$node" --state-dir "$home/state" --run-dir "$home" --pin-dir "$(lab_pins)/$node" \
        --set "cluster-manifests.folder=$dir/cluster" --set "service-lb.cgroup=$cgroup" ${PATCHBAY_AGENT_OPTIONS:-} \
        >>"$home/agent.log" 2>&1 </dev/null &
    disown
}

# A node's addresses, the first of the family that comes first for pods and services.
lab_node_ips() { if lab_is_dual; then echo "${lab_ip[$1]},${lab_ip6[$1]}"; else echo "${lab_ip[$1]}"; fi; }

lab_start_kubelet() {
    local arguments=() node
    for node in "${lab_nodes[@]}"; do arguments+=("$node=$(lab_node_ips "$node")=$(lab_cgroup)/$node"); done
    setsid bash -c 'echo $$ >"$0/kubelet.pid"; exec "$@"' "$dir" \
        java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx256m -cp "$root/distribution/lab/target/lab-0.1.0.jar:$root/distribution/lab/target/lib/*" \
        io.patchbay.lab.Main "$dir" "$(lab_dist)/bin/patchbay-cni" "$(lab_bin):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        "${arguments[@]}" >>"$dir/kubelet.log" 2>&1 </dev/null &
    disown
}

# Where a log is found once this command has ended: a start that fails keeps the logs apart, and nothing else.
lab_kept() { if [ -n "${lab_starting:-}" ]; then echo "$dir.failed/${1#"$dir/"}"; else echo "$1"; fi; }

# lab_wait SECONDS WHAT LOG PIDFILE COMMAND...: ends at once when the process that has to make it true is gone
lab_wait() {
    local end=$((SECONDS + $1)) what=$2 log=$3 pid=$4
    shift 4
    until "$@" >/dev/null 2>&1; do
        if [ -s "$pid" ] && [ "$(lab_pid "$pid")" = null ]; then
            tail -15 "$log" >&2
            fail "$what: the process ended before it was ready; the whole log is $(lab_kept "$log")"
        fi
        if [ $SECONDS -ge $end ]; then
            tail -15 "$log" >&2
            fail "$what: not ready in time; the whole log is $(lab_kept "$log")"
        fi
        sleep "${PATCHBAY_LAB_LOOK:-0.2}"
    done
}

lab_node_ready() { "$client" --lab "$lab" -n "$1" status --brief; }

# Every node answers every other; 2: this distribution has no such feature.
lab_nodes_reach() { "$client" --lab "$lab" -n "$1" health || [ $? = 2 ]; }

lab_pods_ready() {
    local wanted ready
    wanted=$("$client" --lab "$lab" -n "${lab_nodes[0]}" manifests get pods -o json | jq '.items | length') || return 1
    ready=$(cat "$dir"/pods/*.json 2>/dev/null | jq -s '[.[] | select(.ready)] | length') || return 1
    [ "$wanted" -gt 0 ] && [ "$wanted" = "$ready" ]
}

# A start that failed or was interrupted: the logs stay, nothing else does.
lab_failed() {
    local status=$? log
    trap - EXIT INT TERM
    [ $status -ne 0 ] || status=1
    rm -rf "$dir.failed"
    for log in "$dir"/*.log "$dir"/*/*.log; do
        [ -e "$log" ] || continue
        mkdir -p "$(dirname "$dir.failed/${log#"$dir/"}")"
        cp "$log" "$dir.failed/${log#"$dir/"}" || true
    done
    lab_starting=
    lab_remove || true
    printf "patchbay: the lab '%s' did not start; all of it is gone again but its logs, in %s\n" "$lab" "$dir.failed" >&2
    exit $status
}

# The process that starts this lab now, if any.
lab_starter() { local pid; pid=$(lab_pid "$dir/starting.pid"); [ "$pid" = null ] || [ "$pid" = $$ ] || echo "$pid"; }

lab_up() {
    local check=1 dual=0 node
    while [ $# -gt 0 ]; do
        case $1 in --no-check) check=0 ;; --dual-stack) dual=1 ;; *) lab_usage >&2; exit 2 ;; esac
        shift
    done
    setup_install
    [ -n "${PATCHBAY_NO_BUILD:-}" ] || setup_build
    if [ -e "$dir/up" ]; then
        [ $dual = 0 ] || lab_is_dual || fail "the lab '$lab' is running with IPv4 only: patchbay --lab $lab lab down, then up --dual-stack"
        for node in "${lab_nodes[@]}"; do
            [ "$(lab_pid "$dir/$node/agent.pid")" != null ] || fail "the lab '$lab' is up, but the agent of $node does not run: patchbay lab restart $node (or lab down)"
        done
        echo "The lab '$lab' is running."
    else
        [ -z "$(lab_starter)" ] || fail "the lab '$lab' is being started by process $(lab_starter): wait for it, or end it with patchbay lab down"
        # What a lab that was killed half way left behind.
        lab_remove
        rm -rf "$dir.failed"
        setup_bpffs
        [ -n "$(setup_cgroup2)" ] || fail "no cgroup2 is mounted: mount -t cgroup2 none /sys/fs/cgroup"
        local begin=$SECONDS
        mkdir -p "$PATCHBAY_RUN"
        mkdir "$dir" 2>/dev/null || fail "the lab '$lab' is being started by another process: wait for it, or end it with patchbay lab down"
        echo $$ >"$dir/starting.pid"
        lab_starting=1
        trap lab_failed EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
        mkdir -p "$dir/cluster/manifests" "$(lab_cgroup)"
        if [ $dual = 1 ]; then
            touch "$dir/dual-stack"
            cp "$root/config/lab/dual-stack/cluster.json" "$dir/cluster/cluster.json"
        fi
        lab_network
        setsid nsenter --net="/run/netns/$lab-outside" -- "$(lab_bin)/pb-traffic" serve --tcp 80 --udp 53 --name outside \
            >>"$dir/outside.log" 2>&1 </dev/null & echo $! >"$dir/outside.pid"; disown
        cp "$lab_manifests"/*.yaml "$dir/cluster/manifests/"
        [ $dual = 0 ] || cp "$root"/config/lab/dual-stack/*.yaml "$dir/cluster/manifests/"
        for node in "${lab_nodes[@]}"; do lab_start_agent "$node"; done
        lab_start_kubelet
        for node in "${lab_nodes[@]}"; do lab_wait "$lab_patience" "$node" "$dir/$node/agent.log" "$dir/$node/agent.pid" lab_node_ready "$node"; done
        lab_wait $((lab_patience * 2)) "the pods" "$dir/kubelet.log" "$dir/kubelet.pid" lab_pods_ready
        for node in "${lab_nodes[@]}"; do lab_wait "$lab_patience" "$node's view of the other nodes" "$dir/$node/agent.log" "$dir/$node/agent.pid" lab_nodes_reach "$node"; done
        touch "$dir/up"
        rm "$dir/starting.pid"
        lab_starting=
        trap - EXIT INT TERM
        echo "Lab '$lab' is up after $((SECONDS - begin)) s: ${#lab_nodes[@]} nodes, $(find "$dir/pods" -name '*.json' | wc -l) pods."
    fi
    [ $check = 1 ] || return 0
    echo
    "$client" --lab "$lab" -n node1 status || true
    echo
    "$client" --lab "$lab" -n node1 service list || true
    echo
    lab_connectivity
}

# One connection, made and seen: description, source pod, target, protocol.
lab_try() {
    local source=$1 target=$2 proto=$3 out status=0
    out=$(lab_pod_exec "$source" pb-traffic probe --to "$target" --proto "$proto" --timeout 1500 2>&1) || status=$?
    case $status in
        0) echo "reached: $out" ;;
        3) echo "refused" ;;
        4) echo "no answer" ;;
        *) echo "failed: $out" ;;
    esac
}

lab_first_pod() { jq -rs --arg app "$1" --arg node "$2" '[.[] | select((.pod | split("/")[1] | startswith($app + "-")) and .node == $node and .ready)] | sort_by(.pod) | .[0].pod // empty' "$dir"/pods/*.json; }
lab_address() { jq -r '.addresses[0]' "$dir/pods/${1/\//_}.json"; }
lab_address6() { jq -r '.addresses[1] | "[\(.)]"' "$dir/pods/${1/\//_}.json"; }
# lab_cluster_ip SERVICE [NTH]
lab_cluster_ip() { "$client" --lab "$lab" -n node1 manifests get services -o json | jq -r --arg n "$1" --argjson i "${2:-0}" '.items[] | select(.metadata.name == $n) | .spec.clusterIPs[$i]'; }

# What a dual-stack lab tries beyond that.
lab_checks6() {
    local vip
    vip="[$(lab_cluster_ip web-dual 1)]"
    cat <<LIST
same node, IPv6	$(lab_address6 "$1"):8080	tcp
same node, IPv6	$(lab_address6 "$1"):8080	udp
across nodes, IPv6	$(lab_address6 "$2"):8080	tcp
across nodes, IPv6	$(lab_address6 "$2"):8080	udp
through a ClusterIP, IPv6	$vip:80	tcp
through a ClusterIP, IPv6	$vip:80	udp
to the outside, IPv6	[$lab_outside_service6]:80	tcp
refused by policy, IPv6	$(lab_address6 "$3"):8080	tcp
LIST
}

lab_connectivity() {
    local client1 web1 web2 vip since
    client1=$(lab_first_pod client node1)
    web1=$(lab_first_pod web node1)
    web2=$(lab_first_pod web node2)
    local guarded
    guarded=$(lab_first_pod guarded node2)
    [ -n "$client1" ] && [ -n "$web1" ] && [ -n "$web2" ] && [ -n "$guarded" ] || fail "the sample workloads are not all running: patchbay lab status"
    vip=$(lab_cluster_ip web)
    since=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
    {
        printf 'CHECK\tSOURCE\tDESTINATION\tPROTOCOL\tSEEN\n'
        local line
        while IFS=$'\t' read -r what target proto; do
            [ -n "$what" ] || continue
            printf '%s\t%s\t%s\t%s\t%s\n' "$what" "$client1" "$target" "$proto" "$(lab_try "$client1" "$target" "$proto")"
        done <<LIST
same node	$(lab_address "$web1"):8080	tcp
same node	$(lab_address "$web1"):8080	udp
across nodes	$(lab_address "$web2"):8080	tcp
across nodes	$(lab_address "$web2"):8080	udp
through a ClusterIP	$vip:80	tcp
through a ClusterIP	$vip:80	udp
to the outside	$lab_outside_service:80	tcp
refused by policy	$(lab_address "$guarded"):8080	tcp
$(! lab_is_dual || lab_checks6 "$web1" "$web2" "$guarded")
LIST
    } | column -t -s $'\t'
    echo
    local node
    for node in "${lab_nodes[@]}"; do
        if ! "$client" --lab "$lab" -n "$node" feature list -o json | jq -e 'any(.[]; .name == "hubble" and .state != "Disabled")' >/dev/null; then
            echo "Flows of $node are not seen: it is without hubble (patchbay -n $node feature add hubble)"
            continue
        fi
        echo "Flows seen by $node:"
        "$client" --lab "$lab" -n "$node" hubble observe --since "$since" --pod "$client1" --last 100 -o table
        echo
    done
}

lab_status() {
    lab_running
    local json
    json=$(lab_status_json)
    case ${1:-} in
        '') jq -r '"Lab \(.lab) in \(.directory)"' <<<"$json"
            echo
            jq -r '["NODE", "ADDRESS", "NAMESPACE", "AGENT PID", "SOCKET"], (.nodes[] | [.name, (.addresses | join(",")), .netns, (.agentPid // "not running" | tostring), .socket]) | @tsv' <<<"$json" | column -t -s $'\t'
            echo
            jq -r '["POD", "NODE", "ADDRESSES", "NAMESPACE", "READY"], (.pods[] | [.pod, .node, (.addresses | join(",")), .netns, (.ready | tostring)]) | @tsv' <<<"$json" | column -t -s $'\t' ;;
        -o) [ "${2:-}" = json ] || wrong "lab status -o knows json only"; printf '%s\n' "$json" ;;
        *) wrong "lab status takes -o json" ;;
    esac
}

# Whether a process runs. One that has ended and that nobody has waited for (containers whose first process doesn't) is none any more.
lab_alive() { local stat; stat=$(cat "/proc/$1/stat" 2>/dev/null) && case ${stat##*) } in Z*|X*) return 1 ;; esac; }
# The process that a file names, or null.
lab_pid() { local pid; pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && lab_alive "$pid" && echo "$pid" || echo null; }

lab_status_json() {
    local node nodes='' cgroup
    cgroup=$(lab_cgroup)
    for node in "${lab_nodes[@]}"; do
        nodes+=$(jq -n --arg name "$node" --arg address "${lab_ip[$node]}" --arg addresses "$(lab_node_ips "$node")" --arg netns "$lab-$node" --arg state "$dir/$node/state" \
            --arg socket "$dir/$node/agent.sock" --arg cgroup "$cgroup/$node" --arg log "$dir/$node/agent.log" --arg pins "$(lab_pins)/$node" \
            --argjson pid "$(lab_pid "$dir/$node/agent.pid")" \
            '{name: $name, address: $address, addresses: ($addresses | split(",")), netns: $netns, stateDirectory: $state, socket: $socket, cgroup: $cgroup, pinDirectory: $pins, log: $log, agentPid: $pid}')
    done
    jq -n --arg lab "$lab" --arg directory "$dir" --slurpfile nodes <(printf '%s' "$nodes") \
        --slurpfile pods <(cat "$dir"/pods/*.json 2>/dev/null) --arg outside "$lab-outside" --arg address "$lab_outside_service" \
        --arg addresses "$lab_outside_service$(! lab_is_dual || echo ",$lab_outside_service6")" \
        --argjson kubelet "$(lab_pid "$dir/kubelet.pid")" \
        '{lab: $lab, directory: $directory, manifests: ($directory + "/cluster/manifests"), kubeletPid: $kubelet, outside: {netns: $outside, address: $address, addresses: ($addresses | split(","))}, nodes: $nodes, pods: ($pods | sort_by(.pod))}'
}

lab_pod_exec() {
    local file=$dir/pods/${1/\//_}.json ns cgroup
    [ -e "$file" ] || fail "there is no pod '$1': patchbay lab status"
    shift
    ns=$(jq -r .netns "$file") cgroup=$(jq -r .cgroup "$file")
    PATH=$(lab_bin):$PATH bash -c 'echo $$ >"$0/cgroup.procs" && exec nsenter --net="/run/netns/$1" -- "${@:2}"' "$cgroup" "$ns" "$@"
}

lab_exec() {
    lab_running
    local where=${1:-}
    [ -n "$where" ] || wrong "lab exec wants NAMESPACE/POD -- COMMAND"
    shift
    [ "${1:-}" != -- ] || shift
    [ $# -gt 0 ] || wrong "lab exec $where wants a command: lab exec $where -- ip address"
    case $where in
        */*) lab_pod_exec "$where" "$@" ;;
        *) [ -e "/run/netns/$lab-$where" ] || fail "there is no node or pod '$where': patchbay lab status"
           PATH=$(lab_bin):$PATH nsenter --net="/run/netns/$lab-$where" -- "$@" ;;
    esac
}

lab_files() {
    lab_running
    local verb=$1
    shift
    [ "${1:-}" = -f ] && [ -n "${2:-}" ] && [ $# = 2 ] || wrong "lab $verb wants -f FILE or -f DIRECTORY"
    local node
    for node in "${lab_nodes[@]}"; do
        if [ "$(lab_pid "$dir/$node/agent.pid")" != null ]; then
            exec "$client" --lab "$lab" -n "$node" manifests "$verb" -f "$2"
        fi
    done
    fail "no agent of the lab runs: patchbay lab restart node1"
}

lab_restart() {
    local node=${1:-} pid wait=0
    [ -n "$node" ] && [ -n "${lab_ip[$node]:-}" ] || wrong "lab restart wants a node: ${lab_nodes[*]}"
    case $#:${2:-} in
        1:) ;;
        3:--wait) wait=$3; case $wait in *[!0-9]*|'') wrong "--wait wants seconds, not '$wait'" ;; esac ;;
        *) wrong "lab restart $node takes --wait SECONDS" ;;
    esac
    pid=$(lab_pid "$dir/$node/agent.pid")
    if [ "$pid" != null ]; then
        kill -KILL "$pid"
        while lab_alive "$pid"; do sleep 0.05; done
    fi
    sleep "$wait"
    lab_start_agent "$node"
    lab_wait "$lab_patience" "$node" "$dir/$node/agent.log" "$dir/$node/agent.pid" lab_node_ready "$node"
}

lab_down() {
    local pid
    pid=$(lab_starter)
    if [ -n "$pid" ]; then
        # A start that is under way cleans up behind itself.
        kill "$pid" 2>/dev/null || true
        while lab_alive "$pid"; do sleep 0.1; done
    fi
    lab_remove
    rm -rf "$dir.failed"
    rmdir "$PATCHBAY_RUN" 2>/dev/null || true
    echo "Lab '$lab' is gone."
}

# Removes every trace; each step alone, so that a lab that is half there goes as well.
lab_remove() {
    local ns cgroup pid file
    cgroup=$(lab_cgroup)
    for file in "$dir/kubelet.pid" "$dir/outside.pid"; do
        pid=$(lab_pid "$file")
        [ "$pid" = null ] || kill -KILL "$pid" 2>/dev/null || true
    done
    if [ -d "$cgroup" ]; then
        echo 1 >"$cgroup/cgroup.kill" 2>/dev/null || true
        local end=$((SECONDS + 10))
        while grep -q 'populated 1' "$cgroup/cgroup.events" 2>/dev/null && [ $SECONDS -lt $end ]; do sleep 0.05; done
    fi
    # Pins first: a link that lives holds its cgroup.
    rm -rf "$(lab_pins)"
    rmdir /sys/fs/bpf/patchbay 2>/dev/null || true
    if [ -e "$dir/namespaces" ]; then
        while read -r ns; do
            [ ! -e "/run/netns/$ns" ] || ip netns delete "$ns" || true
        done <"$dir/namespaces"
    fi
    if [ -d "$cgroup" ]; then
        find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
        rmdir "$(dirname "$cgroup")" 2>/dev/null || true
    fi
    rm -rf "$dir"
    rmdir "$PATCHBAY_RUN" 2>/dev/null || true
}
