package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.Attachments;
import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.Hook;
import io.patchbay.datapath.internal.Entries.Place;
import io.patchbay.netlink.Link;
import io.patchbay.netlink.LinkStats;
import io.patchbay.netlink.NetlinkException;
import io.patchbay.netlink.NetlinkSocket;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which preambles and guards belong where: on pod devices clsact filters (nothing there waits for RCU), on the node's few devices tcx links
 * where the kernel has them, on cgroups links. {@link Entries} puts them there; this remembers them, and looks after them.
 */
final class DeviceAttachments implements Attachments, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DeviceAttachments.class);

    private static final class Kept {
        private final String mode;
        private long restored;

        Kept(String mode) {
            this.mode = mode;
        }
    }

    private final Home home;
    private final boolean tcx;
    private final Entries entries;
    private final Path record;
    private final NetlinkSocket netlink;
    private final Map<Place, Kept> kept = new LinkedHashMap<>();
    /** Counts changes of {@link #kept}; guarded by this. */
    private long changes;
    private final Executor soon;
    private final AtomicBoolean saveIsDue = new AtomicBoolean();
    private final Object saving = new Object();
    /** The change up to which the record is written; guarded by {@link #saving}. */
    private long saved;

    /** @param soon runs what may wait a moment, and at the latest before {@link #close} */
    DeviceAttachments(Core core, Home home, boolean tcx, Path state, Executor soon) {
        this.home = home;
        this.entries = new Entries(core, home);
        this.tcx = tcx;
        this.record = state.resolve("attachments.json");
        this.soon = soon;
        this.netlink = home.netlink();
        if (core.made()) {
            save();
            return;
        }
        Durable.read(record, DeviceAttachments::recorded, "what is attached stays, and is known again once its feature attaches it again").ifPresent(kept::putAll);
        if (core.upgraded()) {
            // New preambles take the place of the pinned ones, each attachment at once from one program to the other.
            kept.forEach((k, a) -> entries.exchange(k, a.mode));
        }
    }

    private static Map<Place, Kept> recorded(JsonObject json) {
        Map<Place, Kept> all = new LinkedHashMap<>();
        json.getJsonArray("attachments").forEach(v -> {
            JsonObject a = v.asJsonObject();
            all.put(new Place(Hook.ofText(a.getString("hook")), a.getString("where"), a.getInt("ifindex")), new Kept(a.getString("mode")));
        });
        return all;
    }

    private static boolean isPod(Hook hook) {
        return hook == Hook.POD_EGRESS || hook == Hook.POD_INGRESS;
    }

    @Override
    public void attach(Hook hook, int ifindex) {
        Entries.isIngress(hook);
        boolean added;
        synchronized (this) {
            String name = name(ifindex).orElseThrow(() -> new DatapathException("attach " + hook.text() + ": there is no device with index " + ifindex));
            Place k = new Place(hook, name, ifindex);
            Optional<Place> known = find(hook, ifindex);
            Kept a = known.map(kept::get).orElseGet(() -> new Kept(!isPod(hook) && tcx ? "tcx" : "clsact"));
            if (known.isEmpty() && a.mode.equals("clsact")) {
                entries.fresh(k);
            } else {
                entries.ensure(k, a.mode);
            }
            known.filter(o -> !o.equals(k)).ifPresent(kept::remove);
            added = kept.put(k, a) == null;
            if (added) {
                changes++;
            }
        }
        if (added) {
            saveFor(hook);
        }
    }

    private Optional<String> name(int ifindex) {
        return netlink.links().find(ifindex).map(Link::name);
    }

    private boolean isGone(Place k) {
        return k.hook().isSocket() ? !Files.isDirectory(Path.of(k.where())) : name(k.ifindex()).isEmpty();
    }

    private Optional<Place> find(Hook hook, int ifindex) {
        for (Place o : kept.keySet()) {
            if (o.hook() == hook && o.ifindex() == ifindex && !hook.isSocket()) {
                return Optional.of(o);
            }
        }
        return Optional.empty();
    }

    /** Whether something of ours belongs on that device. */
    synchronized boolean isKept(int ifindex) {
        return kept.keySet().stream().anyMatch(k -> k.ifindex() == ifindex && !k.hook().isSocket());
    }

    @Override
    public void detach(Hook hook, int ifindex) {
        boolean removed;
        synchronized (this) {
            Place k = find(hook, ifindex).orElse(new Place(hook, "", ifindex));
            removed = kept.remove(k) != null;
            if (removed) {
                changes++;
            }
            if (name(ifindex).isPresent()) {
                entries.take(k);
            } else { // its filters went with the device, and its links are dead
                entries.forget(k);
            }
        }
        if (removed) {
            saveFor(hook);
        }
    }

    /** Pods come and go by the dozen, and whoever attaches them does so again after a kill: their lines may be a little late. */
    private void saveFor(Hook hook) {
        if (!isPod(hook)) {
            save();
        } else if (saveIsDue.compareAndSet(false, true)) {
            try {
                soon.execute(this::saveNow);
            } catch (RejectedExecutionException closing) {
                saveNow();
            }
        }
    }

    private void saveNow() {
        saveIsDue.set(false);
        save();
    }

    @Override
    public void attachCgroup(String path) {
        boolean added = false;
        synchronized (this) {
            for (Hook h : Hook.values()) {
                if (h.isSocket()) {
                    Place k = new Place(h, path, 0);
                    Kept a = kept.getOrDefault(k, new Kept("cgroup"));
                    entries.ensure(k, a.mode);
                    added |= kept.put(k, a) == null;
                }
            }
            if (added) {
                changes++;
            }
        }
        if (added) {
            save();
        }
    }

    @Override
    public void detachCgroup(String path) {
        synchronized (this) {
            for (Hook h : Hook.values()) {
                if (h.isSocket()) {
                    Place k = new Place(h, path, 0);
                    kept.remove(k);
                    entries.take(k);
                }
            }
            changes++;
        }
        save();
    }

    @Override
    public synchronized List<Attachment> list() {
        return home.call(() -> {
            List<Attachment> all = new ArrayList<>();
            kept.forEach((k, a) -> {
                boolean present = entries.present(k, a.mode);
                // Nothing is missing where nothing is any more: a device goes before its attachments are forgotten.
                if (present || !isGone(k)) {
                    all.add(new Attachment(k.hook(), a.mode, k.where(), k.ifindex(), present, a.restored));
                }
            });
            return all;
        });
    }

    @Override
    public synchronized List<Other> others() {
        return home.call(() -> {
            List<Other> all = new ArrayList<>();
            try (NetlinkSocket s = NetlinkSocket.open()) {
                for (Map.Entry<Place, Kept> e : kept.entrySet()) {
                    if (!e.getKey().hook().isSocket()) {
                        entries.others(e.getKey(), e.getValue().mode, tcx, s, all);
                    }
                }
            }
            return all;
        });
    }

    /**
     * Puts back what someone removed and forgets devices and cgroups that are gone.
     *
     * @return how much was put back
     * @throws DatapathException for the first that could not be put back, after all were tried
     */
    int reconcile() {
        return reconcile(k -> true);
    }

    /** As {@link #reconcile()}, for one device. */
    int reconcile(int ifindex) {
        return reconcile(k -> k.ifindex() == ifindex && !k.hook().isSocket());
    }

    /** One after the other, so that a pod that comes or goes waits for one of them and not for all. */
    private int reconcile(Predicate<Place> which) {
        List<Place> keys;
        synchronized (this) {
            keys = kept.keySet().stream().filter(which).toList();
        }
        int restored = 0;
        boolean forgotten = false;
        DatapathException first = null;
        for (Place k : keys) {
            try {
                switch (reconcile(k)) {
                    case RESTORED -> restored++;
                    case GONE -> forgotten = true;
                    case THERE -> { }
                }
            } catch (DatapathException e) {
                first = first == null ? e : first;
            }
        }
        if (forgotten) {
            save();
        }
        if (first != null) {
            throw first;
        }
        return restored;
    }

    private enum Found { THERE, RESTORED, GONE }

    private synchronized Found reconcile(Place k) {
        Kept a = kept.get(k);
        if (a == null) {
            return Found.THERE; // detached meanwhile
        }
        if (isGone(k)) {
            kept.remove(k);
            changes++;
            entries.forget(k);
            return Found.GONE;
        }
        if (!entries.ensure(k, a.mode)) {
            return Found.THERE;
        }
        a.restored++;
        LOG.warn("{} at {} had been removed by someone; it is back", k.hook().text(), k.where());
        return Found.RESTORED;
    }

    /**
     * Drops and errors of attached devices, so far, and what the queues before them dropped: what is received from a pod counts at its egress
     * hook, and the other way round. What filters drop has a verdict and does not count here.
     */
    synchronized Map<Hook, Long> drops() {
        Map<Hook, Long> all = new EnumMap<>(Hook.class);
        try (NetlinkSocket s = home.netlink()) {
            Map<Integer, Long> queues = new HashMap<>();
            s.qdiscs().list().stream().filter(q -> q.isRoot()).forEach(q -> queues.merge(q.linkIndex(), q.drops(), Long::sum));
            for (Place k : kept.keySet()) {
                if (!k.hook().isSocket()) {
                    try {
                        LinkStats st = s.links().stats(k.ifindex());
                        all.merge(k.hook(), Entries.isIngress(k.hook()) ? st.rxDropped() + st.rxErrors()
                                : st.txDropped() + st.txErrors() + queues.getOrDefault(k.ifindex(), 0L), Long::sum);
                    } catch (NetlinkException e) {
                        LOG.debug("no counters of {}: {}", k.where(), e.getMessage());
                    }
                }
            }
        }
        return all;
    }

    /** Returns once the record has all changes up to now; without waiting for the disk, since no attachment outlives the kernel. */
    private void save() {
        long mine;
        synchronized (this) {
            mine = changes;
        }
        synchronized (saving) {
            if (saved > mine) {
                return;
            }
            JsonArrayBuilder all = Durable.JSON.createArrayBuilder();
            long upTo;
            synchronized (this) {
                upTo = changes;
                kept.forEach((k, a) -> all.add(Durable.JSON.createObjectBuilder().add("hook", k.hook().text()).add("where", k.where()).add("ifindex", k.ifindex())
                        .add("mode", a.mode)));
            }
            Durable.writeUnsynced(record, Durable.JSON.createObjectBuilder().add("attachments", all).build());
            saved = upTo + 1;
        }
    }

    /** Attachments outlive the agent. */
    @Override
    public void close() {
        netlink.close();
    }
}
