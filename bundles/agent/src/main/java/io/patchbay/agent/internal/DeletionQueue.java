package io.patchbay.agent.internal;

import io.patchbay.api.cni.CniHandler;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Deletions that the CNI executable queued while no agent answered (docs/agent-protocol.md): handled before the socket opens. */
final class DeletionQueue {
    private static final Logger LOG = LoggerFactory.getLogger(DeletionQueue.class);

    private final Path folder;

    DeletionQueue(Path folder) {
        this.folder = folder;
    }

    /** @return how many were handled; those that failed stay, and are named in the log */
    int drain(CniHandler handler) throws IOException {
        if (!Files.isDirectory(folder)) {
            return 0;
        }
        List<Path> files;
        try (Stream<Path> all = Files.list(folder)) {
            files = all.filter(p -> !p.getFileName().toString().startsWith(".")).sorted().toList();
        }
        int done = 0;
        for (Path file : files) {
            try {
                byte[] content = Files.readAllBytes(file);
                CniHandler.Result r = CniCalls.handle(handler, environment(content), stdin(content));
                if (r.exit() == 0) {
                    Files.deleteIfExists(file);
                    done++;
                } else {
                    LOG.warn("queued deletion {} failed and stays: {}", file, r.stdout());
                }
            } catch (NoSuchFileException e) {
                LOG.debug("queued deletion {} was taken back by its client", file);
            }
        }
        return done;
    }

    private static int headerEnd(byte[] content) {
        for (int i = 0; i + 1 < content.length; i++) {
            if (content[i] == '\n' && content[i + 1] == '\n') {
                return i + 1;
            }
        }
        return content.length;
    }

    static Map<String, String> environment(byte[] content) {
        Map<String, String> environment = new HashMap<>();
        for (String line : new String(content, 0, headerEnd(content), StandardCharsets.UTF_8).split("\n")) {
            int eq = line.indexOf('=');
            if (eq > 0) {
                environment.put(line.substring(0, eq), line.substring(eq + 1));
            }
        }
        return environment;
    }

    static byte[] stdin(byte[] content) {
        int end = headerEnd(content);
        return end >= content.length ? new byte[0] : Arrays.copyOfRange(content, end + 1, content.length);
    }
}
