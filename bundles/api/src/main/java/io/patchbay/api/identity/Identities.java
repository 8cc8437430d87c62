package io.patchbay.api.identity;

import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.Prefix;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.osgi.annotation.versioning.ProviderType;

/** Label sets and their numbers, the same on every node of the cluster. Thread-safe. */
@ProviderType
public interface Identities {
    /**
     * The number of a label set: claimed in the cluster when it is new.
     *
     * @return fails with {@link ClaimException} when the claim can't be made; nothing guesses
     */
    CompletableFuture<Integer> acquire(LabelSet labels);

    void release(int identity);

    /** The labels of a pod that count for its identity on this cluster, by the cluster's name and label filter. */
    LabelSet labelsOf(Pod pod, Namespace namespace);

    Optional<LabelSet> labels(int identity);

    /** All that are known: reserved, claimed by any node, local CIDR identities. */
    Map<Integer, LabelSet> all();

    /** How long this agent has known the number; zero for one that it does not know. Other nodes with a running agent have known it about as long. */
    Duration knownFor(int identity);

    /** Whether the world is told apart by family, world-ipv4 (9) and world-ipv6 (10), as with both families on; else it is world (2). */
    boolean worldByFamily();

    /** How many users on this node. */
    int references(int identity);

    /** Local CIDR identities for exactly these prefixes on behalf of {@code user}; done when the ipcache has them. */
    CompletableFuture<Map<Prefix, Integer>> requirePrefixes(String user, Set<Prefix> prefixes);

    /** First all, then each change, in order, on the subscriber's executor. {@code labels} null: gone. */
    AutoCloseable subscribe(java.util.concurrent.Executor executor, Listener listener);

    @FunctionalInterface
    interface Listener {
        void changed(Map<Integer, Optional<LabelSet>> changes);

        /**
         * The same for those whose kernel tables name identities: no address gets a new identity in the ipcache before the
         * result is done. Whoever overrides this need do nothing in {@link #changed}.
         */
        default CompletableFuture<?> apply(Map<Integer, Optional<LabelSet>> changes) {
            changed(changes);
            return CompletableFuture.completedFuture(null);
        }
    }

    class ClaimException extends Exception {
        private static final long serialVersionUID = 1L;

        public ClaimException(String message) {
            super(message);
        }
    }
}
