package io.patchbay.identity.internal;

import io.patchbay.api.labels.LabelSet;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** Ranges of identity numbers, and which number a label set proposes for itself: the same on every node, whatever it saw first. */
final class IdentityNumbers {
    static final int MIN_CLUSTER = 256;
    static final int MAX_CLUSTER = 65535;
    /** Identities of prefixes, of this node alone. */
    static final int MIN_LOCAL = (1 << 24) + 1;
    static final int MAX_LOCAL = (1 << 25) - 1;

    private IdentityNumbers() {
    }

    static int propose(LabelSet labels) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(labels.canonical().getBytes(StandardCharsets.UTF_8));
            long bits = ByteBuffer.wrap(digest).getLong();
            return MIN_CLUSTER + (int) Long.remainderUnsigned(bits, MAX_CLUSTER - MIN_CLUSTER + 1);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every Java platform has it
        }
    }

    /** What a label set tries after a number that stands for others. */
    static int after(int number) {
        return number >= MAX_CLUSTER ? MIN_CLUSTER : number + 1;
    }

    static boolean isCluster(long number) {
        return number >= MIN_CLUSTER && number <= MAX_CLUSTER;
    }

    static boolean isLocal(int number) {
        return number >= MIN_LOCAL && number <= MAX_LOCAL;
    }
}
