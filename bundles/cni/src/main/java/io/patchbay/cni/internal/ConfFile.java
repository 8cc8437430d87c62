package io.patchbay.cni.internal;

import jakarta.json.Json;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** The file that a container runtime finds this network by. */
final class ConfFile {
    static final String NAME = "05-patchbay.conflist";

    private ConfFile() {
    }

    static String content(String agentSocket) {
        return Json.createObjectBuilder().add("cniVersion", "1.0.0").add("name", "patchbay").add("plugins", Json.createArrayBuilder()
                .add(Json.createObjectBuilder().add("type", "patchbay-cni").add("agentSocket", agentSocket))).build() + "\n";
    }

    /** Written beside and renamed, since runtimes watch the folder. Left alone when it is right. @return its path */
    static Path write(Path directory, String agentSocket) throws IOException {
        Files.createDirectories(directory);
        Path file = directory.resolve(NAME);
        byte[] content = content(agentSocket).getBytes(StandardCharsets.UTF_8);
        if (Files.exists(file) && java.util.Arrays.equals(Files.readAllBytes(file), content)) return file;
        Path next = directory.resolve("." + NAME + ".new");
        Files.write(next, content);
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        return file;
    }
}
