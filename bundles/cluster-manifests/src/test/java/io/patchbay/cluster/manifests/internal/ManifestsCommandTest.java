package io.patchbay.cluster.manifests.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

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
                return Map.of();
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
    void wrongUsage() {
        for (String[] words : List.of(new String[] {}, new String[] {"frob"}, new String[] {"get"}, new String[] {"get", "frobs"},
                new String[] {"get", "svc", "-o", "xml"}, new String[] {"apply", "x.yaml"}, new String[] {"get", "svc", "--frob"})) {
            assertThrows(UsageException.class, () -> call("", words), () -> String.join(" ", words));
        }
    }
}
