package io.patchbay.api.identity;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.osgi.annotation.versioning.ProviderType;

/** Who has an address; what the kernel's ipcache holds. Thread-safe. */
@ProviderType
public interface Ipcache {
    /** As the kernel has it. */
    Map<Prefix, Entry> entries();

    /** By longest prefix, from memory. */
    Optional<Entry> lookup(IpAddress address);

    /** Sets what this node itself knows (its pods, before the cluster's source has them); done when in the kernel. */
    CompletableFuture<Void> put(Prefix prefix, Entry entry);

    CompletableFuture<Void> remove(Prefix prefix, Source source);

    /**
     * Sets the peer class (struct pb_ipcache_value) of addresses, 0 for none, whatever is or becomes known of them; done when in
     * the kernel. Those that are not named keep theirs.
     */
    CompletableFuture<Void> classify(Map<IpAddress, Integer> classes);

    /** Peer classes other than 0. */
    Map<IpAddress, Integer> classes();

    /**
     * @param tunnel node to encapsulate to; null: not behind a tunnel
     * @param owner  {@code namespace/pod}, node name or ""
     */
    record Entry(int identity, IpAddress tunnel, Source source, String owner) {
    }

    /** Who said so; a later one wins over an earlier one. */
    enum Source { GENERATED, CUSTOM_RESOURCE, K8S, LOCAL }
}
