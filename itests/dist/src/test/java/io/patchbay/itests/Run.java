package io.patchbay.itests;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A program that is run to its end. */
final class Run {
    private static final Duration DEADLINE = Duration.ofSeconds(90);

    /** What a program left: exit status, standard output, standard error. */
    record Result(List<String> command, int exit, String out, String err) {
        /** The output of a program that had to succeed. */
        String ok() {
            if (exit != 0) {
                throw new AssertionError(this + "");
            }
            return out;
        }

        /** What a program said that had to fail with this status. */
        String failed(int status) {
            if (exit != status) {
                throw new AssertionError("exit " + status + " was wanted of " + this);
            }
            return err + out;
        }

        @Override
        public String toString() {
            return String.join(" ", command) + " ended with " + exit + "\n" + out + err;
        }
    }

    private Run() {
    }

    /** Whether a process runs; one that has ended, and that nobody has waited for, does not. */
    static boolean isAlive(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
            return "ZX".indexOf(stat.charAt(stat.lastIndexOf(')') + 2)) < 0;
        } catch (IOException e) {
            return false;
        }
    }

    static Result of(String... command) {
        return of(List.of(command), Map.of(), "", DEADLINE);
    }

    static Result of(List<String> command, Map<String, String> environment, String stdin, Duration deadline) {
        try {
            // Files, not pipes: what the program leaves running may hold them open.
            Path out = Files.createTempFile("pbt", ".out");
            Path err = Files.createTempFile("pbt", ".err");
            try {
                ProcessBuilder b = new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
                b.environment().putAll(environment);
                Process p = b.start();
                try (OutputStream in = p.getOutputStream()) {
                    in.write(stdin.getBytes(StandardCharsets.UTF_8));
                } catch (IOException e) {
                    // A program that reads nothing has closed it.
                    if (p.isAlive() && !stdin.isEmpty()) {
                        throw e;
                    }
                }
                if (!p.waitFor(deadline.toMillis(), TimeUnit.MILLISECONDS)) {
                    p.descendants().forEach(ProcessHandle::destroyForcibly);
                    p.destroyForcibly().waitFor();
                    throw new AssertionError(String.join(" ", command) + " took longer than " + deadline + "\n" + Files.readString(out) + Files.readString(err));
                }
                return new Result(command, p.exitValue(), Files.readString(out), Files.readString(err));
            } finally {
                Files.delete(out);
                Files.delete(err);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted", e);
        }
    }
}
