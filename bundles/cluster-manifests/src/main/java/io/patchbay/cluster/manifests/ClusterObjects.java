package io.patchbay.cluster.manifests;

import io.patchbay.api.cluster.CiliumIdentity;
import io.patchbay.api.cluster.ConfigMap;
import io.patchbay.api.cluster.EndpointSlice;
import io.patchbay.api.cluster.Namespace;
import io.patchbay.api.cluster.Node;
import io.patchbay.api.cluster.ObjectKey;
import io.patchbay.api.cluster.Pod;
import io.patchbay.api.cluster.Service;
import io.patchbay.api.cluster.policy.CidrGroup;
import io.patchbay.api.cluster.policy.PolicyObject;
import io.patchbay.cluster.decode.PodObject;
import java.util.List;
import java.util.Map;

/**
 * The cluster that a folder describes, at one moment. Immutable.
 *
 * @param desiredPods what the nodes' kubelets shall run, with the node each was given ("" if none fits): of Pods and of workloads' templates
 * @param pods        the pods with their status; those that were deleted and still terminate too
 */
public record ClusterObjects(Map<String, Namespace> namespaces, Map<String, Node> nodes, Map<ObjectKey, PodObject> desiredPods,
                             Map<ObjectKey, Pod> pods, Map<ObjectKey, Service> services, Map<ObjectKey, EndpointSlice> endpointSlices,
                             Map<Long, CiliumIdentity> identities, Map<ObjectKey, ConfigMap> configMaps, List<PolicyObject> policies,
                             List<CidrGroup> cidrGroups) {
}
