package io.patchbay.servicelb.internal;

import io.patchbay.api.datapath.MapHandle;
import io.patchbay.api.datapath.Struct;
import io.patchbay.api.endpoint.Endpoint;
import io.patchbay.api.endpoint.Endpoints;
import io.patchbay.api.feature.FeatureRuntime;
import io.patchbay.api.feature.Scope;
import io.patchbay.api.net.Protocol;
import io.patchbay.netlink.InetSocket;
import io.patchbay.netlink.NetNs;
import io.patchbay.netlink.NetlinkException;
import io.patchbay.netlink.SocketDiag;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Ends sockets whose backend is dead: a connected socket was translated once, and nothing but its own patience would tell its process
 * that nobody answers any more. Only sockets that lb_sock_rev knows by their cookie as translated to that backend. {@link Services}
 * judges which backends are dead, when one leaves and once after the start.
 */
@Component(service = DeadBackends.class, immediate = true)
public final class DeadBackends {
    private static final Logger LOG = LoggerFactory.getLogger(DeadBackends.class);
    /** Backends that leave together are looked for together. */
    private static final Duration TOGETHER = Duration.ofMillis(100);

    /** @param key of lb_sock_rev */
    private record Known(Struct key, Translated translated) {
    }

    private final Scope scope;
    private final Endpoints endpoints;
    private final Services services;
    private final MapHandle translations;
    private final boolean able;
    private final AtomicBoolean due = new AtomicBoolean();
    private final AtomicLong ended = new AtomicLong();

    @Activate
    public DeadBackends(@Reference(target = "(patchbay.feature=service-lb)") FeatureRuntime runtime, @Reference Endpoints endpoints,
            @Reference Services services) {
        this.scope = runtime.scope("service-dead-backends");
        this.endpoints = endpoints;
        this.services = services;
        this.translations = runtime.map("lb_sock_rev");
        this.able = canEnd();
        if (able) scope.closing(services.onDeparture(this::departed));
    }

    @Deactivate
    void deactivate() {
        scope.close();
    }

    private static boolean canEnd() {
        try (NetNs own = NetNs.own(); SocketDiag sockets = own.sockets()) {
            return sockets.canDestroy(Protocol.TCP) && sockets.canDestroy(Protocol.UDP);
        } catch (NetlinkException e) {
            LOG.warn("Sockets can't be listed, so those of dead backends are left to themselves: {}", e.getMessage());
            return false;
        }
    }

    /** For {@code status}. */
    String describe() {
        return able ? "Ended (" + ended + " so far)" : "Left to themselves: the kernel ends no sockets (CONFIG_INET_DIAG_DESTROY)";
    }

    private void departed() {
        if (!due.compareAndSet(false, true)) return;
        scope.later(TOGETHER, () -> scope.untilDone("end-sockets-of-dead-backends", () -> {
            due.set(false);
            look();
            return null;
        }));
    }

    /** One round: which translations lead to dead backends, and the sockets that have them. */
    private void look() throws Exception {
        Map<Translated, List<Struct>> all = new HashMap<>();
        translations.forEach((k, v) -> {
            Protocol protocol = Protocol.ofNumber((int) k.get("proto"));
            if (protocol == null) return;
            Translated t = new Translated(new Frontend(v.address("addr"), v.port("port"), protocol), new BackendAddress(k.address("addr"), k.port("port"), protocol));
            all.computeIfAbsent(t, x -> new ArrayList<>()).add(k);
        });
        if (all.isEmpty()) return;
        Set<Translated> dead = services.dead(all.keySet()).get();
        Map<Long, List<Known>> wanted = new HashMap<>();
        Set<Protocol> protocols = new HashSet<>();
        for (Translated t : dead) {
            protocols.add(t.backend().protocol());
            for (Struct key : all.get(t)) wanted.computeIfAbsent(key.get("cookie"), x -> new ArrayList<>()).add(new Known(key, t));
        }
        if (wanted.isEmpty()) return;
        // What stays in here belongs to no socket any more.
        Set<Struct> forgotten = new HashSet<>();
        wanted.values().forEach(known -> known.forEach(k -> forgotten.add(k.key)));
        boolean everywhere = true;
        List<String> told = new ArrayList<>();
        for (Endpoint pod : endpoints.list()) {
            try (NetNs ns = NetNs.open(Path.of(pod.netns()))) {
                end(ns, pod.name(), protocols, wanted, forgotten, told);
            } catch (NetlinkException e) {
                everywhere = false; // it is on its way out, or the next round finds it
                LOG.debug("Sockets of {}: {}", pod.name(), e.getMessage());
            }
        }
        try (NetNs own = NetNs.own()) {
            end(own, "the node", protocols, wanted, forgotten, told);
        }
        if (everywhere) translations.deleteAll(forgotten);
        if (!told.isEmpty()) {
            ended.addAndGet(told.size());
            LOG.info("{} sockets were ended, their backends are dead: {}{}", told.size(), String.join(", ", told.subList(0, Math.min(told.size(), 10))),
                    told.size() > 10 ? ", …" : "");
        }
    }

    private static void end(NetNs ns, String whose, Set<Protocol> protocols, Map<Long, List<Known>> wanted, Set<Struct> forgotten, List<String> told) {
        try (SocketDiag sockets = ns.sockets()) {
            for (Protocol protocol : protocols) {
                for (InetSocket s : sockets.connected(protocol)) {
                    for (Known k : wanted.getOrDefault(s.cookie(), List.of())) {
                        BackendAddress b = k.translated.backend();
                        if (b.protocol() != protocol || !b.address().equals(s.remote()) || b.port() != s.remotePort()) continue;
                        if (sockets.destroy(s)) told.add(whose + " to " + k.translated.asked() + " at " + b);
                    }
                }
            }
        }
    }
}
