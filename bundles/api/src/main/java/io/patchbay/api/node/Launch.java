package io.patchbay.api.node;

/**
 * Framework properties that the launcher sets from its arguments; read them with {@code BundleContext.getProperty}. Paths
 * are absolute, and the directories exist when the first bundle starts, the one for pins excepted.
 */
public final class Launch {
    /** Record, journal, store and what features keep: survives restarts. */
    public static final String STATE_DIR = "patchbay.state.dir";
    /** Where this node's maps, links and programs are pinned, inside a bpffs that the datapath mounts where it is absent. */
    public static final String PIN_DIR = "patchbay.pin.dir";
    /** The socket's directory, mode 0700. */
    public static final String RUN_DIR = "patchbay.run.dir";
    /** Kubernetes name of this node. */
    public static final String NODE_NAME = "patchbay.node.name";
    /** The distribution: bundles, repository, features, config. */
    public static final String DISTRIBUTION_DIR = "patchbay.distribution.dir";
    /** Followed by {@code feature.key}: a value of the node layer, given as {@code --set feature.key=value}. */
    public static final String SET = "patchbay.set.";

    private Launch() {
    }
}
