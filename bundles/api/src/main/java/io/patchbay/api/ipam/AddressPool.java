package io.patchbay.api.ipam;

import io.patchbay.api.net.IpAddress;
import io.patchbay.api.net.Prefix;
import java.util.List;
import java.util.Map;
import org.osgi.annotation.versioning.ProviderType;

/** Pod addresses of this node. Thread-safe; durable before it returns. */
@ProviderType
public interface AddressPool {
    /**
     * One address of each family that the node has a pod CIDR for. The same owner gets the same addresses again.
     *
     * @param owner {@code default/web-1:eth0@containerid}, unique per attachment
     * @throws ExhaustedException when a pool has none left
     */
    List<IpAddress> allocate(String owner) throws ExhaustedException;

    /** How attachments are named here: {@code default/web-1:eth0@containerid}. */
    static String owner(String namespace, String pod, String ifname, String containerId) {
        return namespace + "/" + pod + ":" + ifname + "@" + containerId;
    }

    /** Gives back; unknown owners are no error. The address rests until every consumer has dropped it. */
    void release(String owner);

    /** Owner to addresses. */
    Map<String, List<IpAddress>> allocations();

    /** Per pool: in use and size. */
    List<Usage> usage();

    record Usage(Prefix pool, int used, int size) {
    }

    /** No address left; the message says how many there are and who could be asked. */
    class ExhaustedException extends Exception {
        private static final long serialVersionUID = 1L;

        public ExhaustedException(String message) {
            super(message);
        }
    }
}
