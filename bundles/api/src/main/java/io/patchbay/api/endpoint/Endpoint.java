package io.patchbay.api.endpoint;

import io.patchbay.api.labels.LabelSet;
import io.patchbay.api.net.IpAddress;
import java.util.List;
import java.util.Map;

/**
 * A pod's attachment on this node, or the node itself ({@link #HOST}). Immutable; a change makes a new one.
 *
 * @param id          1 to 65534, stable over restarts
 * @param device      host-side veth, {@code lxc…}
 * @param mac         of the pod's side
 * @param hostMac     of the host's side
 * @param netns       path of the pod's namespace
 * @param annotations of the pod, for features that read them (bandwidth)
 * @param namedPorts  {@code TCP/http} to number
 * @param policyId    policy class in force; 0: none yet
 */
public record Endpoint(int id, String containerId, String namespace, String pod, String podUid, List<IpAddress> addresses, int ifindex,
                       String device, byte[] mac, byte[] hostMac, String netns, int identity, LabelSet labels, Map<String, String> annotations,
                       Map<String, Integer> namedPorts, int policyId, int flags, State state) {
    /** Number of the node itself: an endpoint of identity 1 without container and pod, whose addresses are the node's own. */
    public static final int HOST = 65535;

    public boolean isHost() {
        return id == HOST;
    }

    /** States and their names are those of {@code endpoint list}. */
    public enum State {
        WAITING_FOR_IDENTITY("waiting-for-identity"), REGENERATING("regenerating"), READY("ready"), RESTORING("restoring"),
        DISCONNECTING("disconnecting"), NOT_READY("not-ready");

        private final String text;

        State(String text) {
            this.text = text;
        }

        public String text() {
            return text;
        }
    }

    public Endpoint withIdentity(int number, LabelSet itsLabels) {
        return new Endpoint(id, containerId, namespace, pod, podUid, addresses, ifindex, device, mac, hostMac, netns, number, itsLabels, annotations,
                namedPorts, policyId, flags, state);
    }

    public Endpoint withPolicy(int policy) {
        return new Endpoint(id, containerId, namespace, pod, podUid, addresses, ifindex, device, mac, hostMac, netns, identity, labels, annotations,
                namedPorts, policy, flags, state);
    }

    /** With bits of enum pb_ep_flags set and cleared. */
    public Endpoint withFlags(int set, int clear) {
        return new Endpoint(id, containerId, namespace, pod, podUid, addresses, ifindex, device, mac, hostMac, netns, identity, labels, annotations,
                namedPorts, policyId, flags & ~clear | set, state);
    }

    public Endpoint withState(State now) {
        return new Endpoint(id, containerId, namespace, pod, podUid, addresses, ifindex, device, mac, hostMac, netns, identity, labels, annotations,
                namedPorts, policyId, flags, now);
    }

    /** With what the pod's row says of it. */
    public Endpoint withPod(Map<String, String> itsAnnotations, Map<String, Integer> itsPorts) {
        return new Endpoint(id, containerId, namespace, pod, podUid, addresses, ifindex, device, mac, hostMac, netns, identity, labels, itsAnnotations,
                itsPorts, policyId, flags, state);
    }

    /** {@code namespace/pod}; the node: {@code host}. */
    public String name() {
        return isHost() ? "host" : namespace + "/" + pod;
    }
}
