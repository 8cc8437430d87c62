package io.patchbay.cluster.manifests.internal;

import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** Configuration {@code io.patchbay.cluster.manifests}. */
@ObjectClassDefinition(name = "Cluster state from a folder")
public @interface ManifestsConfig {
    String PID = "io.patchbay.cluster.manifests";

    @AttributeDefinition(name = "Folder", description = "where the cluster is kept; its layout is in docs/features/cluster-manifests.md")
    String folder();

    @AttributeDefinition(name = "Node", description = "the name of this node")
    String nodeName();

    @AttributeDefinition(name = "Node addresses", description = "by which the other nodes reach this one; needed only if no Node manifest says it",
            required = false)
    String[] nodeIPs() default {};
}
