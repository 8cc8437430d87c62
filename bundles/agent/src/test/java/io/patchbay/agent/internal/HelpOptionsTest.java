package io.patchbay.agent.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class HelpOptionsTest {
    @Test
    void readsNamesAndOutputsAndNothingElse() {
        HelpOptions o = HelpOptions.of(List.of("Usage: thing list [--one-way] [-d] [-o table|json]", "", "  -n, --numeric   a k8s:app=web, not-an-option, 1 - 2, icmp/-8",
                "  -f|--follow    also as --from-... and --to-...", "Not with --reply[=false]; thing list --since=5m"));
        assertEquals(Set.of("--one-way", "-d", "-o", "-n", "--numeric", "-f", "--follow", "--reply", "--since"), o.names());
        assertEquals(List.of("table", "json"), o.outputs());
    }

    @Test
    void helpWithoutOptionsHasNone() {
        HelpOptions o = HelpOptions.of(List.of("Usage: feature enable FEATURE", "policy-audit-mode is no option"));
        assertEquals(Set.of(), o.names());
        assertEquals(List.of(), o.outputs());
    }
}
