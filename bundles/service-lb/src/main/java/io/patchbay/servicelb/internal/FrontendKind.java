package io.patchbay.servicelb.internal;

/** Service types of frontends; numbers are those of {@code enum lb_kind} in bpf/service-lb/lb.h. */
enum FrontendKind {
    CLUSTER_IP(1, "ClusterIP"), NODE_PORT(2, "NodePort"), EXTERNAL_IP(3, "ExternalIPs"), LOAD_BALANCER(4, "LoadBalancer"),
    HOST_PORT(5, "HostPort");

    private final int number;
    private final String text;

    FrontendKind(int number, String text) {
        this.number = number;
        this.text = text;
    }

    int number() {
        return number;
    }

    String text() {
        return text;
    }

    /** @throws IllegalArgumentException for a number that is none of these */
    static FrontendKind of(long number) {
        for (FrontendKind k : values()) {
            if (k.number == number) return k;
        }
        throw new IllegalArgumentException("no kind of frontend has the number " + number);
    }
}
