package io.patchbay.itests.vendor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * docs/vendor-guide.md as a program: blocks with a path are files, console blocks are commands with what they print.
 *
 * @param files    path to content
 * @param commands in order
 */
record Guide(Map<String, String> files, List<Command> commands) {
    /** @param expected lines that the output has in this order; … stands for anything, a run of blanks for any other */
    record Command(String line, List<String> expected) {
    }

    static Path root() {
        return Path.of(System.getProperty("patchbay.root"));
    }

    static Guide read() throws IOException {
        Map<String, String> files = new LinkedHashMap<>();
        List<Command> commands = new ArrayList<>();
        String block = null;
        StringBuilder file = new StringBuilder();
        for (String line : Files.readAllLines(root().resolve("docs/vendor-guide.md"))) {
            if (block == null) {
                if (line.startsWith("```")) {
                    block = line.substring(3).strip();
                    file.setLength(0);
                }
            } else if (line.equals("```")) {
                if (block.contains(" ")) {
                    files.put(block.substring(block.indexOf(' ') + 1), file.toString());
                }
                block = null;
            } else if (!block.equals("console")) {
                file.append(line).append('\n');
            } else if (line.startsWith("$ ")) {
                commands.add(new Command(line.substring(2), new ArrayList<>()));
            } else {
                commands.get(commands.size() - 1).expected().add(line);
            }
        }
        return new Guide(files, commands);
    }
}
