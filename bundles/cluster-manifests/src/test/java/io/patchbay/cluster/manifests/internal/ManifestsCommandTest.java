package io.patchbay.cluster.manifests.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.patchbay.api.cluster.policy.PolicyKind;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.api.shell.ShellContext;
import io.patchbay.api.shell.UsageException;
import io.patchbay.cluster.decode.Problems;
import io.patchbay.cluster.decode.Trees;
import io.patchbay.cluster.manifests.ManifestsFolder;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ManifestsCommandTest {
    @TempDir
    Path directory;

    private record Call(int exit, String out, String err) {
    }

    private Call call(String stdin, String... arguments) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        ShellContext context = new ShellContext() {
            private final PrintStream outStream = new PrintStream(out, true, StandardCharsets.UTF_8);
            private final PrintStream errStream = new PrintStream(err, true, StandardCharsets.UTF_8);

            @Override
            public List<String> arguments() {
                return List.of(arguments);
            }

            @Override
            public InputStream in() {
                return new ByteArrayInputStream(stdin.getBytes(StandardCharsets.UTF_8));
            }

            @Override
            public PrintStream out() {
                return outStream;
            }

            @Override
            public PrintStream err() {
                return errStream;
            }

            @Override
            public Map<String, String> environment() {
                return Map.of("PWD", directory.toString());
            }

            @Override
            public boolean cancelled() {
                return false;
            }

            @Override
            public void onCancel(Runnable action) {
            }
        };
        int exit = new ManifestsCommand(new ManifestsFolder(directory.resolve("folder"))).run(context);
        return new Call(exit, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    private static final String SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: 10.96.1.1, selector: {app: web}, ports: [{port: 80}]}\n";

    @Test
    void applyGetDelete() throws Exception {
        assertEquals(new Call(0, "service/web created (check only)\n", ""), call(SERVICE, "check"));
        assertEquals(new Call(0, "service/web created\n", ""), call(SERVICE, "apply", "-f", "-"));
        assertEquals(new Call(0, "service/web unchanged\n", ""), call(SERVICE, "apply"));
        assertEquals("""
                NAMESPACE   NAME   TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)
                default     web    ClusterIP   10.96.1.1    <none>        80/TCP
                """, call("", "get", "svc").out);
        Call json = call("", "get", "services", "web", "-o", "json");
        Object value = Trees.read("json", json.out, new Problems()).get(0).value();
        assertEquals("10.96.1.1", ((Map<?, ?>) ((Map<?, ?>) value).get("spec")).get("clusterIP"));
        assertEquals(List.of(), ((Map<?, ?>) Trees.read("y", call("", "get", "pods", "-o", "yaml").out, new Problems()).get(0).value()).get("items"));
        assertTrue(call("", "get", "ns").out.contains("kube-system"));
        assertEquals(new Call(1, "", "Service nix: not found\n"), call("", "get", "svc", "nix"));
        assertEquals(new Call(0, "service/web deleted\n", ""), call(SERVICE, "delete"));
        assertEquals(new Call(1, "", "Service default/web: not found\n"), call(SERVICE, "delete"));
    }

    @Test
    void aDirectoryIsRefusedWholeNamingTheFile() throws Exception {
        Path dir = Files.createDirectory(directory.resolve("in"));
        Files.writeString(dir.resolve("a.yaml"), SERVICE);
        Files.writeString(dir.resolve("b.yaml"), SERVICE.replace("web}", "b}").replace("10.96.1.1", "10.96.1.2").replace("ports:", "prots:"));
        Call call = call("", "apply", "-f", dir.toString());
        assertEquals(1, call.exit);
        assertTrue(call.err.contains("file " + dir.resolve("b.yaml") + ", document 1, line 4, column "), call.err);
        assertTrue(call.err.contains("spec.prots: unknown field; did you mean ports?"), call.err);
        assertEquals("No resources found\n", call("", "get", "svc").err);
        assertEquals(1, call("", "apply", "-f", directory.resolve("missing.yaml").toString()).exit);
        assertEquals(1, call("# nothing\n", "apply").exit);
    }

    @Test
    void aFileIsLookedForWhereTheClientWasCalled() throws Exception {
        Files.writeString(directory.resolve("web.yaml"), SERVICE);
        assertEquals(new Call(0, "service/web created\n", ""), call("", "apply", "-f", "web.yaml"));
        assertEquals(new Call(1, "", directory.resolve("nix.yaml") + ": no such file\n"), call("", "apply", "-f", "nix.yaml"));
    }

    @Test
    void aPolicysStatusSaysWhichNodesCantEnforceIt() throws Exception {
        String spec = "metadata: {name: told}\nspec: {endpointSelector: {}, ingress: [{}]}\n";
        call("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n" + spec + "---\napiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\n" + spec
                + "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: told}\nspec: {podSelector: {}}\n", "apply");
        assertEquals("NAMESPACE   NAME   VALID   ENFORCED\ndefault     told   True    True\n", call("", "get", "cnp").out);
        assertEquals("[{type=Valid, status=True, message=Policy validation succeeded}]", status("cnp").get("conditions").toString());

        ManifestsFolder folder = new ManifestsFolder(directory.resolve("folder"));
        for (String node : List.of("n1", "n2")) {
            folder.writePolicyStatus(node, Map.of(new PolicyObject.Key(PolicyKind.CILIUM_NETWORK_POLICY, "default", "told"), "full: \"" + node + "\"",
                    new PolicyObject.Key(PolicyKind.NETWORK_POLICY, "default", "told"), "full"));
        }
        assertEquals("default     told   True    not on n1,n2", call("", "get", "cnp").out.lines().skip(1).findFirst().orElseThrow());
        assertEquals("default     told   not on n1,n2", call("", "get", "netpol").out.lines().skip(1).findFirst().orElseThrow());
        assertEquals("told   True    True", call("", "get", "ccnp").out.lines().skip(1).findFirst().orElseThrow());
        assertEquals("{type=Enforced, status=False, message=n1: full: \"n1\"; n2: full: \"n2\"}", ((List<?>) status("cnp").get("conditions")).get(1).toString());
        assertEquals("{n1={error=full: \"n1\", ok=false}, n2={error=full: \"n2\", ok=false}}", new TreeMap<>(nodes("cnp")).toString());
        assertEquals(1, ((List<?>) status("ccnp").get("conditions")).size());

        folder.writePolicyStatus("n2", Map.of());
        assertEquals("{n1={error=full, ok=false}}", nodes("netpol").toString());
        folder.writePolicyStatus("n1", Map.of());
        assertEquals("default     told   True", call("", "get", "netpol").out.lines().skip(1).findFirst().orElseThrow());
        assertEquals(1, ((List<?>) status("cnp").get("conditions")).size());
    }

    private Map<?, ?> status(String kind) throws Exception {
        Object value = Trees.read("json", call("", "get", kind, "told", "-o", "json").out, new Problems()).get(0).value();
        return (Map<?, ?>) ((Map<?, ?>) value).get("status");
    }

    private Map<String, Object> nodes(String kind) throws Exception {
        Map<String, Object> nodes = new TreeMap<>();
        ((Map<?, ?>) status(kind).get("nodes")).forEach((node, v) -> {
            Map<String, Object> sorted = new TreeMap<>();
            ((Map<?, ?>) v).forEach((k, x) -> sorted.put(k.toString(), x));
            nodes.put(node.toString(), sorted);
        });
        return nodes;
    }

    @Test
    void wrongUsage() {
        for (String[] words : List.of(new String[] {}, new String[] {"frob"}, new String[] {"get"}, new String[] {"get", "frobs"},
                new String[] {"get", "svc", "-o", "xml"}, new String[] {"apply", "x.yaml"}, new String[] {"get", "svc", "--frob"})) {
            assertThrows(UsageException.class, () -> call("", words), () -> String.join(" ", words));
        }
    }
}
