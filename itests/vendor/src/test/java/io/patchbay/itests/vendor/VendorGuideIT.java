package io.patchbay.itests.vendor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Does what docs/vendor-guide.md says, in one shell, outside the repository, with a lab of its own. */
@Tag("dist")
@Timeout(600)
class VendorGuideIT {
    private static final String LAB = "pbt-vendor";
    private static final String END = "--- exit ";

    @TempDir
    Path folder;

    @BeforeAll
    static void lab() throws Exception {
        patchbay("lab", "down");
        patchbay("lab", "up", "--no-check");
    }

    @AfterAll
    static void noLab() throws Exception {
        patchbay("lab", "down");
    }

    @Test
    void everyCommandPrintsWhatTheGuideSays() throws Exception {
        Guide guide = Guide.read();
        for (Map.Entry<String, String> f : guide.files().entrySet()) {
            Path to = folder.resolve(f.getKey());
            Files.createDirectories(to.getParent());
            Files.writeString(to, f.getValue());
        }
        assertTrue(guide.commands().size() > 20, "the guide has lost its commands");
        Process shell = environment(new ProcessBuilder("timeout", "300", "bash").directory(folder.toFile()).redirectErrorStream(true)).start();
        try (Writer in = shell.outputWriter(StandardCharsets.UTF_8);
             BufferedReader out = new BufferedReader(new InputStreamReader(shell.getInputStream(), StandardCharsets.UTF_8))) {
            in.write("patchbay() { '" + Guide.root() + "/patchbay' \"$@\"; }\n");
            // As a vendor's Maven, except that tests fetch nothing.
            in.write("mvn() { command mvn -B -q -o -Dmaven.repo.local='" + System.getProperty("patchbay.repository") + "' \"$@\"; }\n");
            for (Guide.Command c : guide.commands()) {
                // In braces, so that variables stay; with an input of its own, so that no command reads the next ones.
                // The mark begins a line, whatever the command left at the end of its own.
                in.write("{ " + c.line() + "\n} </dev/null\necho $'\\n'\"" + END + "$?\"\n");
                in.flush();
                List<String> printed = new ArrayList<>();
                String line = out.readLine();
                while (line != null && !line.startsWith(END)) {
                    printed.add(line);
                    line = out.readLine();
                }
                assertEquals(END + "0", line, () -> "$ " + c.line() + "\n" + String.join("\n", printed));
                compare(c, printed);
            }
        } finally {
            shell.destroy();
        }
    }

    private static void compare(Guide.Command c, List<String> printed) {
        int at = 0;
        for (String expected : c.expected()) {
            Pattern wanted = Pattern.compile(Pattern.compile("…").splitAsStream(blanks(expected) + " ").map(Pattern::quote).collect(Collectors.joining(".*")));
            while (at < printed.size() && !wanted.matcher(blanks(printed.get(at)) + " ").matches()) {
                at++;
            }
            if (at++ >= printed.size()) {
                fail("$ " + c.line() + "\nthe guide expects: " + expected + "\nbut it printed:\n" + String.join("\n", printed));
            }
        }
    }

    private static String blanks(String line) {
        return line.strip().replaceAll("\\s+", " ");
    }

    private static void patchbay(String... words) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(Guide.root().resolve("patchbay").toString()));
        command.addAll(List.of(words));
        Process p = environment(new ProcessBuilder(command).redirectErrorStream(true)).start();
        String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, p.waitFor(), said);
    }

    private static ProcessBuilder environment(ProcessBuilder b) {
        b.environment().put("PATCHBAY_LAB", LAB);
        b.environment().put("PATCHBAY_NO_BUILD", "1");
        // Maven of the test itself: its settings are not those of a vendor's.
        b.environment().keySet().removeIf(k -> k.startsWith("MAVEN_CMD") || k.equals("MAVEN_PROJECTBASEDIR"));
        return b;
    }
}
