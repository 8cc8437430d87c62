package io.patchbay.api.endpoint;

import io.patchbay.api.net.IpAddress;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import org.osgi.annotation.versioning.ProviderType;

/** The pods of this node, and the node itself as an endpoint. Thread-safe. */
@ProviderType
public interface Endpoints {
    Collection<Endpoint> list();

    Optional<Endpoint> get(int id);

    /**
     * The node itself, number {@link Endpoint#HOST}, which is in no list of pods; empty until its addresses are known. Its policy class is
     * 0 unless somebody set one: then policy is not asked about the node (host firewall).
     */
    Optional<Endpoint> host();

    Optional<Endpoint> byAddress(IpAddress address);

    /** Makes device, identity, policy and map entries; done when the pod may send and receive. Idempotent per container and interface. */
    CompletableFuture<Endpoint> create(Request request);

    /** Takes all of it away; done when the kernel has forgotten it. Unknown ones are no error. */
    CompletableFuture<Void> delete(String containerId, String ifname);

    /** All by what a runtime knows them by; for CNI GC. */
    Map<Attachment, Endpoint> attachments();

    /** What is wrong with one, from the kernel's state; empty: nothing. For CNI CHECK. */
    List<String> check(String containerId, String ifname);

    /** Sets policy classes in the kernel in one batch: endpoint id to policy id. {@link Endpoint#HOST} too; there 0 takes it away. */
    CompletableFuture<Void> setPolicy(Map<Integer, Integer> policyIds);

    /** Sets and clears bits of enum pb_ep_flags; of {@link Endpoint#HOST} too. */
    CompletableFuture<Void> setFlags(int id, int set, int clear);

    /** First all, then each change in order. */
    AutoCloseable subscribe(Executor executor, Listener listener);

    interface Listener {
        void put(Endpoint endpoint);

        void removed(Endpoint endpoint);

        /** The node itself, when it becomes known and whenever it changes. */
        default void host(Endpoint node) {
        }
    }

    /** A container's interface. */
    record Attachment(String containerId, String ifname) {
    }

    /** @param addresses from the address pool; @param mtu of the pod's route */
    record Request(String containerId, String ifname, String netns, String namespace, String pod, String podUid, List<IpAddress> addresses, int mtu) {
    }
}
