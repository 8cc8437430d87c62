package io.patchbay.lifecycle.internal;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Set;

/** Jars and BPF objects by SHA-256 of their content: never overwritten, so that what a generation was built from stays what it was. */
final class Store {
    private final Path directory;

    Store(Path directory) throws IOException {
        this.directory = Files.createDirectories(directory);
    }

    /** Streams to disk while digesting. @return the digest, hexadecimal */
    String put(InputStream content) throws IOException {
        MessageDigest digest = sha256();
        Path coming = Files.createTempFile(directory, "coming", null);
        try {
            try (DigestInputStream in = new DigestInputStream(content, digest);
                    FileChannel file = FileChannel.open(coming, StandardOpenOption.WRITE); OutputStream out = Channels.newOutputStream(file)) {
                in.transferTo(out);
                file.force(true);
            }
            String name = HexFormat.of().formatHex(digest.digest());
            if (!Files.exists(path(name))) {
                Files.move(coming, path(name), StandardCopyOption.ATOMIC_MOVE);
                Texts.sync(directory);
            }
            return name;
        } finally {
            Files.deleteIfExists(coming);
        }
    }

    String put(byte[] content) throws IOException {
        String name = digest(content);
        return Files.exists(path(name)) ? name : put(new ByteArrayInputStream(content));
    }

    /** Where the content of that digest is, or would be. */
    Path path(String digest) {
        return directory.resolve(digest);
    }

    boolean has(String digest) {
        return Files.exists(path(digest));
    }

    /** Deletes what is not in {@code keep}. */
    void prune(Set<String> keep) throws IOException {
        try (DirectoryStream<Path> all = Files.newDirectoryStream(directory)) {
            for (Path p : all) {
                if (!keep.contains(p.getFileName().toString())) {
                    Files.delete(p);
                }
            }
        }
    }

    static String digest(byte[] content) {
        return HexFormat.of().formatHex(sha256().digest(content));
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
