package io.patchbay.cluster.decode;

import io.patchbay.cluster.decode.policy.PolicyDecoders;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;

/** The decoders of all kinds. */
final class Kinds {
    private Kinds() {
    }

    private record Simple<R>(String kind, List<String> apiVersions, boolean namespaced, BiFunction<Meta, Fields, R> function)
            implements KindDecoder<R> {
        @Override
        public R decode(Meta meta, Fields fields) {
            return function.apply(meta, fields);
        }
    }

    static List<KindDecoder<?>> all() {
        List<KindDecoder<?>> kinds = new ArrayList<>(List.of(
                new Simple<>("Namespace", List.of("v1"), false, CoreKinds::namespace),
                new Simple<>("Node", List.of("v1"), false, CoreKinds::node),
                new Simple<>("ConfigMap", List.of("v1"), true, CoreKinds::configMap),
                new Simple<>("CiliumIdentity", List.of("cilium.io/v2"), false, CoreKinds::identity),
                new Simple<>("Service", List.of("v1"), true, ServiceKinds::service),
                new Simple<>("EndpointSlice", List.of("discovery.k8s.io/v1"), true, ServiceKinds::endpointSlice),
                new Simple<>("Pod", List.of("v1"), true, PodKinds::pod),
                new Simple<>("Deployment", List.of("apps/v1"), true, (m, f) -> PodKinds.workload(Workload.Kind.DEPLOYMENT, m, f)),
                new Simple<>("DaemonSet", List.of("apps/v1"), true, (m, f) -> PodKinds.workload(Workload.Kind.DAEMON_SET, m, f)),
                new Simple<>("StatefulSet", List.of("apps/v1"), true, (m, f) -> PodKinds.workload(Workload.Kind.STATEFUL_SET, m, f)),
                new Simple<>("ReplicaSet", List.of("apps/v1"), true, (m, f) -> PodKinds.workload(Workload.Kind.REPLICA_SET, m, f))));
        kinds.addAll(PolicyDecoders.all());
        inert(kinds, "v1", true, "ServiceAccount", "Secret", "PersistentVolumeClaim", "ResourceQuota", "LimitRange");
        inert(kinds, "v1", false, "PersistentVolume");
        inert(kinds, "rbac.authorization.k8s.io/v1", true, "Role", "RoleBinding");
        inert(kinds, "rbac.authorization.k8s.io/v1", false, "ClusterRole", "ClusterRoleBinding");
        inert(kinds, "policy/v1", true, "PodDisruptionBudget");
        inert(kinds, "autoscaling/v2", true, "HorizontalPodAutoscaler");
        inert(kinds, "scheduling.k8s.io/v1", false, "PriorityClass");
        inert(kinds, "storage.k8s.io/v1", false, "StorageClass");
        return kinds;
    }

    private static void inert(List<KindDecoder<?>> kinds, String version, boolean namespaced, String... names) {
        for (String name : names) {
            kinds.add(new Simple<>(name, List.of(version), namespaced, (meta, fields) -> {
                fields.ignore(fields.names());
                return new Inert(name, meta.namespace(), meta.name());
            }));
        }
    }
}
