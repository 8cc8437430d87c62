package io.patchbay.api.cluster.policy;

import java.util.Optional;

/** The entities of fromEntities and toEntities. */
public enum Entity {
    ALL("all"), WORLD("world"), WORLD_IPV4("world-ipv4"), WORLD_IPV6("world-ipv6"), CLUSTER("cluster"), HOST("host"), REMOTE_NODE("remote-node"),
    HEALTH("health"), INIT("init"), INGRESS("ingress"), UNMANAGED("unmanaged"), KUBE_APISERVER("kube-apiserver"), NONE("none");

    private final String text;

    Entity(String text) {
        this.text = text;
    }

    /** As policies write it. */
    public String text() {
        return text;
    }

    public static Optional<Entity> of(String text) {
        for (Entity entity : values()) if (entity.text.equals(text)) return Optional.of(entity);
        return Optional.empty();
    }
}
