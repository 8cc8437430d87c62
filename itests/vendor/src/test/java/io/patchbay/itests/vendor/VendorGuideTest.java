package io.patchbay.itests.vendor;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class VendorGuideTest {
    @Test
    void guideQuotesTheExampleWordForWord() throws Exception {
        Path example = Guide.root().resolve("itests/vendor/example");
        Map<String, String> files = new TreeMap<>();
        try (Stream<Path> all = Files.walk(example)) {
            for (Path f : all.filter(Files::isRegularFile).filter(f -> !f.startsWith(example.resolve("target"))).toList()) {
                files.put(example.relativize(f).toString(), Files.readString(f));
            }
        }
        assertEquals(files, new TreeMap<>(Guide.read().files()));
    }
}
