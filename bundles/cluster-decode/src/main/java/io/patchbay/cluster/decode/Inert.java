package io.patchbay.cluster.decode;

/** An object of a kind that means nothing to networking (ServiceAccount, Secret, RBAC …): accepted in manifests, with whatever is in it. */
public record Inert(String kind, String namespace, String name) {
}
