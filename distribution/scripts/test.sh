# Sourced by ./patchbay: every test, in tiers. unit: logic, no privileges. bpf: programs and maps in the kernel, namespaces of the test's
# own. dist: assembled distributions under live traffic.

test_main() {
    local tiers=("$@") tier failed=0
    [ ${#tiers[@]} -gt 0 ] || tiers=(unit bpf dist)
    for tier in "${tiers[@]}"; do
        case $tier in
            -h|--help) echo "Usage: patchbay test [unit|bpf|dist]...   (without a tier: all)"; return ;;
            unit|bpf|dist) ;;
            *) wrong "there is no tier '$tier': unit, bpf, dist" ;;
        esac
    done
    setup_install
    setup_bpffs
    setup_build
    local begin=$SECONDS
    for tier in "${tiers[@]}"; do
        echo "== $tier"
        case $tier in
            unit) (cd "$root" && mvn -B -ntp surefire:test@default-test -Dpatchbay.excludedGroups=root,dist) || failed=1 ;;
            bpf) (cd "$root" && mvn -B -ntp surefire:test@default-test -Dgroups=root) || failed=1 ;;
            dist) (cd "$root" && mvn -B -ntp failsafe:integration-test failsafe:verify -pl itests/artifacts,itests/vendor,itests/dist) || failed=1 ;;
        esac
        [ $failed = 0 ] || break
    done
    [ $failed = 0 ] || fail "tests failed after $((SECONDS - begin)) s (see above)"
    echo "All tests passed in $((SECONDS - begin)) s."
}
