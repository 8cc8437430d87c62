# Sourced by ./patchbay: what the project needs of the machine, and the build.

# command, Debian package, what it is for
setup_needs='clang clang compiles the datapath
llvm-strip llvm takes debug sections out of the objects
cc gcc compiles the client and the traffic tool
java openjdk-17-jdk-headless runs the agent
javac openjdk-17-jdk-headless compiles the agent
mvn maven builds
ip iproute2 namespaces of the lab
nsenter util-linux processes in namespaces
jq jq reads the status of the lab
column bsdextrautils tables
pgrep procps looks after processes'
setup_files='/usr/include/bpf/bpf_helpers.h libbpf-dev headers of the datapath
/usr/include/linux/bpf.h linux-libc-dev headers of the datapath
/usr/lib/*/libc.a libc6-dev the client is linked statically
/usr/lib/*/libbpf.so.1 libbpf1 loads the datapath
/usr/lib/*/libnl-3.so.200|/lib/*/libnl-3.so.200 libnl-3-200 talks to netlink'

setup_has_file() {
    local pattern f
    for pattern in ${1//|/ }; do
        for f in $pattern; do [ -e "$f" ] && return 0; done
    done
    return 1
}

# Prints "what<TAB>package<TAB>why" for each thing that is missing.
setup_missing() {
    local name package why
    while read -r name package why; do
        command -v "$name" >/dev/null 2>&1 || printf '%s\t%s\t%s\n' "$name" "$package" "$why"
    done <<<"$setup_needs"
    while read -r name package why; do
        setup_has_file "$name" || printf '%s\t%s\t%s\n' "$name" "$package" "$why"
    done <<<"$setup_files"
}

setup_packages() { setup_missing | cut -f2 | sort -u | tr '\n' ' '; }

# Installs what is missing; quiet when nothing is.
setup_install() {
    local packages
    packages=$(setup_packages)
    [ -n "${packages// /}" ] || return 0
    command -v apt-get >/dev/null 2>&1 || fail "missing: $packages (no apt-get here: install them by the means of this system)"
    need_root "installing $packages"
    echo "Installing: $packages"
    local log
    log=$(mktemp)
    # shellcheck disable=SC2086
    if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages; } >"$log" 2>&1; then
        tail -20 "$log" >&2
        rm -f "$log"
        fail "apt-get could not install: $packages"
    fi
    rm -f "$log"
}

setup_bpffs() {
    awk '$9 == "bpf" || $8 == "bpf" {found=1} / - bpf / {found=1} END {exit !found}' /proc/self/mountinfo && return 0
    mount -t bpf bpf /sys/fs/bpf || fail "/sys/fs/bpf can't be mounted: mount -t bpf bpf /sys/fs/bpf"
}

# Where cgroup2 is; mounts it nowhere.
setup_cgroup2() { awk '/ - cgroup2 / {print $5; exit}' /proc/self/mountinfo; }

# Builds when a source is newer than the last build.
setup_build() {
    local stamp=$root/distribution/target/.built
    if [ -e "$stamp" ] && [ -z "$(find "$root" \( -name target -o -name .git -o -name docs \) -prune -o -type f -newer "$stamp" -print -quit)" ]; then
        return 0
    fi
    echo "Building (the first time fetches from Maven Central)..."
    local log=$root/distribution/target/build.log begin=$SECONDS
    mkdir -p "$root/distribution/target"
    if ! (cd "$root" && mvn -B -q -ntp install -DskipTests >"$log" 2>&1); then
        grep -E 'ERROR|error:' "$log" | head -30 >&2
        fail "the build failed: the whole log is $log"
    fi
    touch "$stamp"
    echo "Built in $((SECONDS - begin)) s"
}

setup_doctor() {
    [ $# = 0 ] || wrong "doctor takes no arguments"
    local bad=0 what package why
    while IFS=$'\t' read -r what package why; do
        [ -n "$what" ] || continue
        bad=1
        printf 'missing  %-32s %s: apt-get install %s\n' "$what" "$why" "$package"
    done <<<"$(setup_missing)"
    [ -n "$(setup_cgroup2)" ] || { bad=1; echo "missing  cgroup2                          socket load balancing: mount -t cgroup2 none /sys/fs/cgroup"; }
    grep -q ' - bpf ' /proc/self/mountinfo || echo "note     no bpffs is mounted             the agent mounts it at /sys/fs/bpf"
    [ -r /sys/kernel/btf/vmlinux ] || { bad=1; echo "missing  /sys/kernel/btf/vmlinux          kernel without CONFIG_DEBUG_INFO_BTF: use another kernel"; }
    [ "$(id -u)" = 0 ] || { bad=1; echo "missing  root                             eBPF and namespaces: sudo"; }
    local release=${KERNEL_RELEASE:-$(uname -r)} major minor
    IFS=. read -r major minor _ <<<"$release"
    if [ "$major" -lt 6 ] || { [ "$major" = 6 ] && [ "${minor%%[!0-9]*}" -lt 1 ]; }; then
        echo "note     kernel $release                  tested on 6.1 and newer"
    fi
    if command -v java >/dev/null 2>&1; then
        local version
        version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -1)
        [ "${version:-0}" -ge 17 ] || { bad=1; echo "missing  Java 17                          found $version: apt-get install openjdk-17-jdk-headless"; }
    fi
    [ $bad = 1 ] || echo "nothing is missing"
    return $bad
}
